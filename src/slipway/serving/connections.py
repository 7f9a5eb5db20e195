"""Connections before their first request and after their last one: uvicorn's HTTP protocol, with bounds.

uvicorn waits for ever for the end of headers, keeps all of them however many there are, and closes connections on which
the next request is under way when the service stops. BentoML passes it no option for that, so `install` registers a
subclass of its protocol. And uvloop takes one new connection in each turn of its loop, which under load are too few.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from slipway.serving.http1 import Http1Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Headers = Iterable[tuple[bytes, bytes]]

ACCEPT_AT_ONCE = 100  # connections taken in one turn of the loop; setting one up takes about 0.1 ms
SWEEP_SECONDS = 0.5  # between two looks at all connections
QUIET_SECONDS = 0.02  # in which nobody connected before listening ends
CLOSE_SECONDS = 0.2  # it ends after that time even if somebody always connects
PREDICT = b"/predict"


class Gate(Protocol):
    """What knows whether there is room for another request."""

    def is_full(self) -> bool:
        """Whether a request for a prediction would be refused now."""

    def let_in(self) -> bool:
        """Whether a request for a prediction, of which the headers are there, may come further."""

    def turn_away(self, headers: Headers) -> tuple[Headers, bytes]:
        """Count a refusal (503) of a request with `headers`; headers and body of the answer."""


class Door:
    """All connections of a worker, and the sockets on which it listens."""

    def __init__(self, gate: Gate, settings: dict[str, Any]) -> None:
        self.gate = gate
        self.idle_seconds = settings["idle_seconds"]
        self.busy_seconds = 2 * settings["timeout_seconds"] + settings["idle_seconds"]  # body, work, taking the answer
        self.linger_seconds = settings["linger_seconds"]
        self.max_head_bytes = settings["max_head_bytes"]
        self.is_closing = False
        self._is_alone = settings["workers"] == 1
        self._max_connections = settings["max_connections"]
        self._connections: set[Connection] = set()
        self._refused: list[tuple[Connection, Headers, bool]] = []
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._take: Callable[[socket.socket], Any] | None = None

    def open(self) -> None:
        """Find the sockets on which this process listens, and begin to sweep; call it in the loop."""
        self._listeners = _listening_sockets()
        self._keep(self._sweep())

    def close(self) -> None:
        """Take the connections that wait, and no more: whoever comes now is refused by the kernel, for all workers.

        Whoever comes between the last look and the end of listening is lost. So the loop stands still until nobody has
        come for a moment: clients that wait for an answer do not connect again.
        """
        self.is_closing = True
        end = time.monotonic() + CLOSE_SECONDS
        while time.monotonic() < end and select.select(self._listeners, [], [], QUIET_SECONDS)[0]:
            if not self._accept(ACCEPT_AT_ONCE):
                break  # another worker was quicker
        for listener in self._listeners:
            with suppress(OSError):  # another worker was first
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._listeners = []

    def enter(self, connection: Connection) -> bool:
        """Take in a connection, if there is room; and those that wait behind it, unless another worker is there."""
        self._connections.add(connection)
        self._take = connection.take
        if self._is_alone or self.gate.is_full():
            self._accept(ACCEPT_AT_ONCE)
        return len(self._connections) <= self._max_connections

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def refuse(self, connection: Connection, stay: bool) -> None:
        """Answer in the next turn of the loop: refused and back at once, a client would keep this one from ending."""
        if not self._refused:
            asyncio.get_running_loop().call_soon(self._answer_refused)
        self._refused.append((connection, connection.headers, stay))

    def _answer_refused(self) -> None:
        for connection, headers, stay in self._refused:
            connection.answer_at_once(503, *self.gate.turn_away(headers), stay)
        self._refused.clear()

    def _accept(self, at_most: int) -> int:
        taken = 0
        for listener in self._listeners if self._take else ():
            with suppress(OSError):  # none waits, or another worker stopped listening for all
                while taken < at_most:
                    self._keep(self._take(listener.accept()[0]))
                    taken += 1
        return taken

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for connection in list(self._connections):
                connection.close_if_overdue()


class Connection(HttpToolsProtocol):
    """One connection. It may be without a request at work for `idle_seconds`, whatever it sends in that time."""

    door: ClassVar[Door]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = Http1Parser(self)

    def take(self, accepted: socket.socket) -> Any:
        """Serve another connection like this one."""
        accepted.setblocking(False)
        another = partial(type(self), self.config, self.server_state, self.app_state)
        return self.loop.connect_accepted_socket(another, accepted, ssl=self.config.ssl)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._head_bytes = 0
        self._in_head = self._is_refused = self._is_leaving = False
        if not self.door.enter(self):
            self.answer_at_once(503, *self.door.gate.turn_away(()), stay=False)
        elif self.door.is_closing:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.door.max_head_bytes:
            if self._is_idle():
                self.answer_at_once(431, [], b"", stay=False)
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser. Who comes when there is no room is answered here, at a quarter of the routes' cost."""
        if self.parser.should_upgrade():
            return  # the head comes again, without `Upgrade`
        self._in_head = False
        self._is_refused = self.url == PREDICT and self._is_idle() and not self.door.gate.let_in()
        if self._is_refused:
            # A client that waits for `100 Continue` may send no body now, and its next request would be taken for it.
            self.door.refuse(self, self.parser.should_keep_alive() and not self.expect_100_continue)
            return
        super().on_headers_complete()
        self._since = self.loop.time()
        if self._is_leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if not self._is_refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called by uvicorn's request."""
        self._since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: the next request may be under way, so it is answered, as the last one."""
        if self._is_idle():
            self._is_leaving = True
            self.loop.call_later(self.door.linger_seconds, self._close_if_idle)
        else:
            super().shutdown()

    def close_if_overdue(self) -> None:
        """End what waits too long: for a request, or with one. What cannot be ended politely is cut."""
        allowed = self.door.idle_seconds if self._is_idle() else self.door.busy_seconds
        if self.loop.time() - self._since < allowed:
            return
        if self.transport.is_closing() or not self._is_idle():
            self.transport.abort()
        else:
            self.transport.close()

    def answer_at_once(self, status: int, headers: Headers, body: bytes, stay: bool) -> None:
        """Answer past the routes."""
        stay = stay and not self._is_leaving
        lines = [STATUS_LINE[status], b"content-length: %d\r\n" % len(body), b"" if stay else b"connection: close\r\n"]
        lines += [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self._since = self.loop.time()
        if not stay:
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()


def install(gate: Gate, settings: dict[str, Any]) -> Door:
    """Have uvicorn use `Connection`, with the limits of `settings`; call it before uvicorn starts."""
    Connection.door = Door(gate, settings)
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
    return Connection.door


def _listening_sockets() -> list[socket.socket]:
    found = []
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with suppress(OSError):  # the folder was listed through one of them, which is closed by now
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                copy = socket.socket(fileno=os.dup(number))
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    copy.setblocking(False)
                    found.append(copy)
    return found
