"""Check for JSON in UTF-8 in a Content-Type header, in every spelling that RFC 9110, section 8.3, allows."""

from __future__ import annotations

from email.policy import HTTP
from functools import lru_cache

CACHED_VALUES_MAX = 64  # one per spelling; a value that is not cached takes 0.1 ms
VALUE_BYTES_MAX = 200  # a longer one is not parsed


@lru_cache(CACHED_VALUES_MAX)
def is_json(content_type: bytes) -> bool:
    """Return whether the value of the header means JSON in UTF-8; case, quotes and other parameters do not matter."""
    if len(content_type) > VALUE_BYTES_MAX or not content_type.isascii():
        return False
    try:
        header = HTTP.header_factory("content-type", content_type.decode().strip())
    except Exception:  # noqa: BLE001  the parser raises IndexError for some malformed values
        return False
    charset = header.params.get("charset", "utf-8").lower()
    return header.content_type == "application/json" and charset == "utf-8" and not header.defects
