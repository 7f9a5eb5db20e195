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
from slipway.serving.inline_queue import InlineQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slipway.serving.admission import Admission

    Headers = Iterable[tuple[bytes, bytes]]

ACCEPT_MAX = 100  # connections per pass of the loop; to set up one takes about 0.1 ms
SWEEP_INTERVAL_SECONDS = 0.5  # between two checks of all connections
QUIET_SECONDS = 0.02  # without a new connection before the sockets are closed
CLOSE_TIMEOUT_SECONDS = 0.2  # after which they are closed even if clients keep connecting
PREDICT = b"/predict"


class PredictionApp(Protocol):
    """Application that admits and answers prediction requests."""

    admission: Admission

    def is_inline(self, body: bytes | bytearray) -> bool:
        """Return whether the answer to a prediction request with `body` is expected to be computed inline."""

    def answer_inline(
        self, headers: Headers, body: bytes | bytearray, start: float
    ) -> tuple[int, Headers, bytes] | None:
        """Return status, headers and body of the response to an admitted request, or None if it cannot be inline."""

    def reject(self, headers: Headers) -> tuple[Headers, bytes]:
        """Count a request with `headers` as refused (503), and return headers and body of the response."""


class ConnectionManager:
    """All connections of a worker, and its listening sockets."""

    def __init__(self, app: PredictionApp, settings: dict[str, Any]) -> None:
        self.app = app
        self.admission = app.admission
        self.inline = InlineQueue(app.admission)
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
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._default_lines = b""

    def default_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return uvicorn's default headers, such as the date, as lines. uvicorn replaces the list each second."""
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._default_lines

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
            connection.answer_directly(503, *self.app.reject(headers), keep_alive)
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
    """A connection. It is closed after `idle_seconds` without an active request, whatever it sends in that time.

    A prediction request that arrives as a whole is answered by `app.answer_inline` if that is possible; all others
    become a task of uvicorn with the ASGI application.
    """

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
        self._body: bytearray | None = None  # of a request that may be answered inline, and is not yet
        self._is_complete = self._keep_alive = False
        if not self.manager.enter(self):
            self.answer_directly(503, *self.manager.app.reject(()), keep_alive=False)
        elif self.manager.is_closing:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from its manager."""
        self.manager.leave(self)
        self._take_inline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head, and respond 431 above the limit; abort a connection that is busy."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._body is not None and not self._is_complete:
            self._defer()
        if self._in_head and self._head_bytes > self.manager.max_head_bytes:
            if self._is_idle():
                self.answer_directly(431, [], b"", keep_alive=False)
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Start to count the bytes of a head, and make a task of the previous request if that is not answered yet."""
        if self._body is not None:
            self._defer()
        self._in_head = True
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Admit the request, or refuse it above the limit: here that costs a quarter of what it costs in the routes."""
        if self.parser.should_upgrade():
            return  # the parser repeats the head without `Upgrade`
        self._in_head = False
        is_prediction = self.url == PREDICT and self._is_idle()
        self._is_refused = is_prediction and not self.manager.admission.admit()
        if self._is_refused:
            # A client that waits for `100 Continue` may skip the body, and its next request would be read as the body.
            self.manager.refuse(self, self.parser.should_keep_alive() and not self.expect_100_continue)
            return
        self._since = self.loop.time()
        if is_prediction and self._may_be_inline():
            self._body, self._is_complete, self._start = bytearray(), False, time.perf_counter()
            self._keep_alive = self._parsed_keep_alive()
        else:
            self._start_cycle()

    def on_body(self, body: bytes) -> None:
        """Pass the body on, unless the request is refused."""
        if self._body is not None:
            self._body += body
        elif not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass the end of the request on, unless it is refused."""
        if self._body is not None:
            self._is_complete = True
            self.manager.admission.hold()
            if self.manager.app.is_inline(self._body):
                self.manager.inline.add(self)
            else:
                self._defer()
        elif not self._is_refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def answer_inline(self) -> None:
        """Answer the complete request, unless the connection no longer has one."""
        if self._body is None or self.transport.is_closing():
            return
        answer = self.manager.app.answer_inline(self.headers, self._body, self._start)
        if answer is None:
            self._defer()
            return
        self._take_inline()
        status, headers, body = answer
        keep_alive = self._keep_alive and not any(name == b"connection" for name, _ in headers)
        lines = self.manager.default_lines(self.server_state.default_headers)
        self.answer_directly(status, headers, body, keep_alive, lines)
        self.server_state.total_requests += 1

    def _may_be_inline(self) -> bool:
        return self.parser.get_method() == b"POST" and not self.expect_100_continue and not self.flow.write_paused

    def _parsed_keep_alive(self) -> bool:
        return self.parser.get_http_version() != "1.0" and bool(self.parser.should_keep_alive())

    def _take_inline(self) -> bytearray | None:
        """Return the body of a request that is not yet answered inline, which no longer will be."""
        body, self._body = self._body, None
        if body is not None and self._is_complete:
            self.manager.admission.release()
        return body

    def _defer(self) -> None:
        """Pass a request to the ASGI application instead of answering it inline."""
        is_complete, body = self._is_complete, self._take_inline()
        self._start_cycle()
        self.cycle.scope["method"] = "POST"  # the parser may be at the next request
        self.cycle.keep_alive = self._keep_alive and not self._is_closing_soon
        if body:
            super().on_body(bytes(body))
        if is_complete:
            super().on_message_complete()

    def _start_cycle(self) -> None:
        """Start a task of uvicorn for the request whose headers are complete."""
        url, headers, expect_100_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect_100_continue
        self.scope["headers"] = headers
        super().on_headers_complete()
        if self._is_closing_soon:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Start the idle time of the connection."""
        self._since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close the connection when uvicorn stops, after a request that may be on its way has been answered."""
        if self._is_idle():
            self._is_closing_soon = True
            self.loop.call_later(self.manager.linger_seconds, self._close_if_idle)
        elif self._body is not None:
            self._is_closing_soon = True
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

    def answer_directly(
        self, status: int, headers: Headers, body: bytes, keep_alive: bool, default_lines: bytes = b""
    ) -> None:
        """Write a response without calling the application, and close the connection unless `keep_alive`."""
        keep_alive = keep_alive and not self._is_closing_soon
        lines = [
            STATUS_LINE[status],
            default_lines,
            b"content-length: %d\r\n" % len(body),
            b"" if keep_alive else b"connection: close\r\n",
        ]
        lines += [b"%b: %b\r\n" % header for header in headers if header[0] != b"connection"]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self._since = self.loop.time()
        if not keep_alive:
            self.transport.close()

    def _is_idle(self) -> bool:
        if self._body is not None:
            return False
        return self.cycle is None or bool(self.cycle.response_complete)

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()


def install(app: PredictionApp, settings: dict[str, Any]) -> ConnectionManager:
    """Register `Connection` in uvicorn, with the limits of `settings`. Call it before uvicorn starts."""
    Connection.manager = ConnectionManager(app, settings)
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
