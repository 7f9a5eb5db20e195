"""HTTP connections with limits on head size, idle time and number, and with a graceful stop.

uvicorn waits indefinitely for the end of the headers and does not limit their size. When it stops, it closes
connections whose next request is on its way. BentoML exposes no option for these, so `install` registers a subclass of
uvicorn's protocol. uvloop accepts one connection per pass of its loop, which is too few under load.
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

ACCEPT_MAX = 100  # connections per pass of the loop; to set up one takes about 0.1 ms
SWEEP_INTERVAL_SECONDS = 0.5  # between two checks of all connections
QUIET_SECONDS = 0.02  # without a new connection before the sockets are closed
CLOSE_TIMEOUT_SECONDS = 0.2  # after which they are closed even if clients keep connecting
PREDICT = b"/predict"


class AdmissionControl(Protocol):
    """Decision on whether a prediction request is admitted."""

    def is_full(self) -> bool:
        """Return whether a prediction request would be refused now."""

    def admit(self) -> bool:
        """Return whether a prediction request whose headers have arrived may proceed."""

    def reject(self, headers: Headers) -> tuple[Headers, bytes]:
        """Count a request with `headers` as refused (503), and return headers and body of the response."""


class ConnectionManager:
    """All connections of a worker, and its listening sockets."""

    def __init__(self, admission: AdmissionControl, settings: dict[str, Any]) -> None:
        self.admission = admission
        self.idle_seconds = settings["idle_seconds"]
        self.busy_seconds = (
            2 * settings["timeout_seconds"] + settings["idle_seconds"]
        )  # to receive the body, compute, and send the response
        self.linger_seconds = settings["linger_seconds"]
        self.max_head_bytes = settings["max_head_bytes"]
        self.is_closing = False
        self._is_only_worker = settings["workers"] == 1
        self._max_connections = settings["max_connections"]
        self._connections: set[Connection] = set()
        self._refused: list[tuple[Connection, Headers, bool]] = []
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._serve: Callable[[socket.socket], Any] | None = None

    def open(self) -> None:
        """Find the listening sockets of this process, and start to check connections. Call it in the loop."""
        self._listeners = _listening_sockets()
        self._run(self._sweep())

    def close(self) -> None:
        """Accept the waiting connections and close the listening sockets, which ends listening for all workers.

        A client that connects between the last accept and the close is lost. The loop therefore blocks until no client
        has connected for QUIET_SECONDS: clients that wait for a response do not connect again.
        """
        self.is_closing = True
        end = time.monotonic() + CLOSE_TIMEOUT_SECONDS
        while time.monotonic() < end and select.select(self._listeners, [], [], QUIET_SECONDS)[0]:
            if not self._accept(ACCEPT_MAX):
                break  # another worker accepted them
        for listener in self._listeners:
            with suppress(OSError):  # another worker has already shut it down
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._listeners = []

    def enter(self, connection: Connection) -> bool:
        """Add a connection and return whether it is within the limit.

        Also accept the waiting connections, unless another worker can serve them.
        """
        self._connections.add(connection)
        self._serve = connection.serve_accepted
        if self._is_only_worker or self.admission.is_full():
            self._accept(ACCEPT_MAX)
        return bool(len(self._connections) <= self._max_connections)

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._connections.discard(connection)

    def refuse(self, connection: Connection, keep_alive: bool) -> None:
        """Answer in the next pass of the loop, because immediate retries could prolong this one forever."""
        if not self._refused:
            asyncio.get_running_loop().call_soon(self._answer_refused)
        self._refused.append((connection, connection.headers, keep_alive))

    def _answer_refused(self) -> None:
        for connection, headers, keep_alive in self._refused:
            connection.answer_directly(503, *self.admission.reject(headers), keep_alive)
        self._refused.clear()

    def _accept(self, limit: int) -> int:
        if self._serve is None:
            return 0
        accepted = 0
        for listener in self._listeners:
            with suppress(OSError):  # none waits, or another worker has shut the socket down
                while accepted < limit:
                    self._run(self._serve(listener.accept()[0]))
                    accepted += 1
        return accepted

    def _run(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
            for connection in list(self._connections):
                connection.close_if_overdue()


class Connection(HttpToolsProtocol):
    """A connection. It is closed after `idle_seconds` without an active request, whatever it sends in that time."""

    manager: ClassVar[ConnectionManager]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser: Any = Http1Parser(self)

    def serve_accepted(self, accepted: socket.socket) -> Any:
        """Serve another connection with the options of this one."""
        accepted.setblocking(False)
        factory = partial(type(self), self.config, self.server_state, self.app_state)
        return self.loop.connect_accepted_socket(factory, accepted, ssl=self.config.ssl)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or respond 503 above the limit and close it."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows the type of asyncio
        self._since = self.loop.time()
        self._head_bytes = 0
        self._in_head = self._is_refused = self._is_closing_soon = False
        if not self.manager.enter(self):
            self.answer_directly(503, *self.manager.admission.reject(()), keep_alive=False)
        elif self.manager.is_closing:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from its manager."""
        self.manager.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head, and respond 431 above the limit; abort a connection that is busy."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.manager.max_head_bytes:
            if self._is_idle():
                self.answer_directly(431, [], b"", keep_alive=False)
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Start to count the bytes of a head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Admit the request, or refuse it above the limit: here that costs a quarter of what it costs in the routes."""
        if self.parser.should_upgrade():
            return  # the parser repeats the head without `Upgrade`
        self._in_head = False
        self._is_refused = self.url == PREDICT and self._is_idle() and not self.manager.admission.admit()
        if self._is_refused:
            # A client that waits for `100 Continue` may skip the body, and its next request would be read as the body.
            self.manager.refuse(self, self.parser.should_keep_alive() and not self.expect_100_continue)
            return
        super().on_headers_complete()
        self._since = self.loop.time()
        if self._is_closing_soon:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass the body on, unless the request is refused."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass the end of the request on, unless it is refused."""
        if not self._is_refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the idle time of the connection."""
        self._since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close the connection when uvicorn stops, after a request that may be on its way has been answered."""
        if self._is_idle():
            self._is_closing_soon = True
            self.loop.call_later(self.manager.linger_seconds, self._close_if_idle)
        else:
            super().shutdown()

    def close_if_overdue(self) -> None:
        """Close the connection if it was idle, or its request active, for too long; abort it if it cannot be closed."""
        allowed = self.manager.idle_seconds if self._is_idle() else self.manager.busy_seconds
        if self.loop.time() - self._since < allowed:
            return
        if self.transport.is_closing() or not self._is_idle():
            self.transport.abort()
        else:
            self.transport.close()

    def answer_directly(self, status: int, headers: Headers, body: bytes, keep_alive: bool) -> None:
        """Write a response without calling the application, and close the connection unless `keep_alive`."""
        keep_alive = keep_alive and not self._is_closing_soon
        lines = [
            STATUS_LINE[status],
            b"content-length: %d\r\n" % len(body),
            b"" if keep_alive else b"connection: close\r\n",
        ]
        lines += [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self._since = self.loop.time()
        if not keep_alive:
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()


def install(admission: AdmissionControl, settings: dict[str, Any]) -> ConnectionManager:
    """Register `Connection` in uvicorn, with the limits of `settings`. Call it before uvicorn starts."""
    Connection.manager = ConnectionManager(admission, settings)
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
    return Connection.manager


def _listening_sockets() -> list[socket.socket]:
    listeners = []
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with suppress(OSError):  # one of them listed the folder, and is closed by now
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                copy = socket.socket(fileno=os.dup(number))
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    copy.setblocking(False)
                    listeners.append(copy)
    return listeners
