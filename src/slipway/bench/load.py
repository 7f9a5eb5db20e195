"""The load generator: connections that each send the next request as soon as the last one is answered.

uvloop and httptools do the work that matters: one core of it outruns the servers that are measured.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

import httptools
import uvloop

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE_SECONDS = 30  # for the last answers of a block, and for connections to open
ERROR_BYTES = 200  # of a wrong answer that are shown


class _BrokenError(Exception):
    """A server that did not answer as it should."""


@dataclass
class Block:
    """What came of one block of requests."""

    latencies: list[float] = field(default_factory=list)
    """Seconds from sending to the last byte of the answer, of each request."""
    seconds: float = 0.0
    """From the first request to the last answer."""


def request(body: bytes) -> bytes:
    """An HTTP request for predictions."""
    head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return (head % len(body)).encode() + body


def play(name: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, most: int) -> Block:
    """Send `requests` to the server `name` in turn, for `seconds` or until they are `most`, and wait for every answer.

    Raises UserError for an answer other than 200, a connection that breaks, and one that says nothing for long.
    """
    try:
        return uvloop.run(_play(port, requests, connections, seconds, most))
    except _BrokenError as error:
        raise UserError(f"bench: the server {name} {error}") from None


async def _play(port: int, requests: Sequence[bytes], connections: int, seconds: float, most: int) -> Block:
    loop = asyncio.get_running_loop()
    turns = _Turns(cycle(requests), seconds, most, loop.create_future())
    opened: list[_Connection] = []
    try:
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            for _ in range(connections):
                _, connection = await loop.create_connection(lambda: _Connection(turns), "127.0.0.1", port)
                opened.append(connection)
            turns.start(opened)
            await turns.done
    except TimeoutError:
        raise _BrokenError(f"gave no answer within {PATIENCE_SECONDS} s") from None
    except OSError as error:
        raise _BrokenError(f"takes no connection: {error.strerror}") from None
    finally:
        for connection in opened:
            connection.close()
    return turns.block


class _Turns:
    """Whose turn it is: the requests still to send, and the answers so far."""

    def __init__(self, requests: Iterator[bytes], seconds: float, most: int, done: asyncio.Future[None]) -> None:
        self.block = Block()
        self.done = done
        self._requests = requests
        self._seconds = seconds
        self._left = most
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

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(_BrokenError(why))


class _Connection(asyncio.Protocol):
    """Sends a request, and parses its answer."""

    def __init__(self, turns: _Turns) -> None:
        self._turns = turns
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
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
            self._turns.answered(self, time.perf_counter() - self._sent)
        else:
            self._turns.fail(f"answered {status}: {self._body[:ERROR_BYTES].decode(errors='replace')}")

    def connection_lost(self, error: Exception | None) -> None:
        self._turns.fail(f"closed a connection ({error or 'end of file'})")
