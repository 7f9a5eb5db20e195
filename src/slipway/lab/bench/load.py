"""Closed-loop load generator: each connection sends its next request as soon as the previous one is answered.

uvloop and httptools do most of the work, so that one core is faster than the measured servers.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

import httptools
import uvloop

from slipway.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_TIMEOUT_SECONDS = 30  # for connections to open, and for the last responses of a block
ERROR_BYTES_MAX = 200  # of an error response in the message


class _BrokenError(Exception):
    """A server that failed to answer."""


@dataclass
class Block:
    """Result of a block of requests."""

    latencies: list[float] = field(default_factory=list)
    """Seconds from sending a request to the last byte of its response, per request."""
    seconds: float = 0.0
    """Seconds from the first request to the last response."""


def request(body: bytes) -> bytes:
    """Return a prediction request, as bytes of HTTP."""
    head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return (head % len(body)).encode() + body


def play(name: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, requests_max: int) -> Block:
    """Send `requests` in a cycle to the server `name`, for `seconds` or up to `requests_max`, and await the responses.

    Raises UserError for a status other than 200, a closed connection, or a timeout.
    """
    try:
        return uvloop.run(_play(port, requests, connections, seconds, requests_max))
    except _BrokenError as error:
        raise ToolError(f"bench: the server {name} {error}") from None


async def _play(port: int, requests: Sequence[bytes], connections: int, seconds: float, requests_max: int) -> Block:
    loop = asyncio.get_running_loop()
    schedule = _Schedule(cycle(requests), seconds, requests_max, loop.create_future())
    opened: list[_Connection] = []
    try:
        async with asyncio.timeout(seconds + BLOCK_TIMEOUT_SECONDS):
            for _ in range(connections):
                _, connection = await loop.create_connection(lambda: _Connection(schedule), "127.0.0.1", port)
                opened.append(connection)
            schedule.start(opened)
            await schedule.done
    except TimeoutError:
        raise _BrokenError(f"did not respond within {BLOCK_TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise _BrokenError(f"accepts no connection: {error.strerror}") from None
    finally:
        for connection in opened:
            connection.close()
    return schedule.block


class _Schedule:
    """Requests that remain to be sent, and responses so far."""

    def __init__(
        self, requests: Iterator[bytes], seconds: float, requests_max: int, done: asyncio.Future[None]
    ) -> None:
        self.block = Block()
        self.done = done
        self._requests = requests
        self._seconds = seconds
        self._left = requests_max
        self._open = 0

    def start(self, connections: list[_Connection]) -> None:
        self._start = time.perf_counter()
        self._open = len(connections)
        for connection in connections:
            self.next(connection)

    def next(self, connection: _Connection) -> None:
        now = time.perf_counter()
        if self._left and now - self._start < self._seconds:
            self._left -= 1
            connection.send(next(self._requests))
            return
        self._open -= 1
        if not self._open and not self.done.done():
            self.block.seconds = now - self._start
            self.done.set_result(None)

    def answered(self, connection: _Connection, seconds: float) -> None:
        self.block.latencies.append(seconds)
        self.next(connection)

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(_BrokenError(reason))


class _Connection(asyncio.Protocol):
    """Sends requests and parses their responses."""

    def __init__(self, schedule: _Schedule) -> None:
        self._schedule = schedule
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a TCP transport
        self._transport = transport

    def close(self) -> None:
        self._transport.abort()

    def send(self, content: bytes) -> None:
        self._sent = time.perf_counter()
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        if self._parser.get_status_code() != 200:
            self._body += data

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 200:
            self._schedule.answered(self, time.perf_counter() - self._sent)
        else:
            self._schedule.fail(f"answered {status}: {self._body[:ERROR_BYTES_MAX].decode(errors='replace')}")

    def connection_lost(self, error: Exception | None) -> None:
        self._schedule.fail(f"closed a connection ({error or 'end of file'})")
