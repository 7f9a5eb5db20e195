"""Parser for HTTP/1.1 that ignores requests to upgrade to another protocol.

RFC 9110, section 7.8, allows a server to ignore `Upgrade`. Java's HttpClient requests h2c with its first request, which
has an ordinary body. httptools stops at the end of such a head and returns the rest as data of the new protocol, so
that uvicorn would answer the request without its body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable

UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})


class Http1Parser:
    """Replacement for `httptools.HttpRequestParser`; `protocol` has its callbacks, `url` and `headers`."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._start()

    def feed_data(self, data: bytes) -> None:
        """Parse `data`. Raises httptools.HttpParserError, also for CONNECT, because this service is not a proxy."""
        while True:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if self._parser.get_method() == b"CONNECT":
                    raise httptools.HttpParserInvalidMethodError("this is not a proxy") from None
                data = data[upgrade.args[0] :]
                head = self._plain_head()
                self._start()
                self._parser.feed_data(head)
            if not data:
                return

    def _start(self) -> None:
        self._parser = httptools.HttpRequestParser(self._protocol)
        # As in uvicorn: data after `Connection: close` does not affect the response to the previous request.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.get_http_version = self._parser.get_http_version
        self.get_method = self._parser.get_method
        self.should_keep_alive = self._parser.should_keep_alive
        self.should_upgrade = self._parser.should_upgrade

    def _plain_head(self) -> bytes:
        """Return the head of the request without the headers that request an upgrade."""
        version = self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self._parser.get_method(), self._protocol.url, version)]
        lines += [b"%b: %b" % header for header in _plain(self._protocol.headers)]
        return b"\r\n".join((*lines, b"", b""))


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            value = b", ".join(option for option in options if option.lower() not in UPGRADE_HEADERS)
        if name not in UPGRADE_HEADERS and (value or name != b"connection"):
            yield name, value
