"""A prediction request that arrives as a whole is answered on the loop; all others become a task of uvicorn."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from slipway.serving import connections
from slipway.serving.admission import SLICE_SECONDS, Admission

from .test_connections import HEAD, connected

LIMITS = {
    "idle_seconds": 5,
    "timeout_seconds": 5,
    "linger_seconds": 5,
    "max_head_bytes": 5000,
    "max_connections": 5,
    "workers": 2,
}


def post(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(body) + body


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written, self._is_closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self._is_closed = True

    def is_closing(self) -> bool:
        return self._is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class App:
    """Application that records how each body was answered: "inline" or by a "task"."""

    def __init__(self, inline: bool = True) -> None:
        self.admission = Admission(3)
        self.answered: list[tuple[str, bytes]] = []
        self.is_in_time = inline

    def is_inline(self, body: bytes) -> bool:
        return body != b"slow"

    def answer_inline(self, _headers: list, body: bytes, _start: float) -> Any:
        if not self.is_in_time:
            return None
        self.answered.append(("inline", bytes(body)))
        return 200, [], bytes(body)

    def reject(self, _headers: list) -> Any:
        return [], b"full"

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.answered.append(("task", body))
        assert ("POST", "/predict") == (scope["method"], scope["path"])
        assert (b"host", b"x") in scope["headers"]
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def opened(app: App):
    manager = connections.ConnectionManager(app, LIMITS)
    config = Config(app, lifespan="off", log_config=None)
    config.load()

    class Connection(connections.Connection):
        pass

    Connection.manager = manager
    connection = Connection(config, ServerState(), {})
    connection.connection_made(Transport())
    yield connection
    assert 0 == app.admission._active


def exchange(app: App, *chunks: bytes, prepare: Any = None) -> bytes:
    """Return what a connection writes after each of `chunks` arrived in a pass of the loop of its own."""

    async def run() -> bytes:
        with opened(app) as connection:
            if prepare:
                prepare(connection)
            for chunk in chunks:
                connection.data_received(chunk)
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            connection.connection_lost(None)
            return connection.transport.written

    return asyncio.run(run())


def bodies(written: bytes) -> list[bytes]:
    return [chunk.rsplit(b"\r\n", 1)[-1] for chunk in written.split(b"HTTP/1.1 200 OK")[1:]]


@pytest.mark.parametrize(
    ("chunks", "answered"),
    [
        ([post(b"one")], [("inline", b"one")]),
        ([post(b"one"), post(b"two")], [("inline", b"one"), ("inline", b"two")]),
        ([post(b"one") + post(b"two") + post(b"three")], [("task", b"one"), ("task", b"two"), ("task", b"three")]),
        ([post(b"one")[:-1], b"e"], [("task", b"one")]),
        ([post(b"one")[:50], post(b"one")[50:]], [("inline", b"one")]),
        ([post(b"slow"), post(b"one")], [("task", b"slow"), ("inline", b"one")]),
        ([post(b"one", b"expect: 100-continue")], [("task", b"one")]),
        ([HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"], [("inline", b"one")]),
        ([post(b"one", b"connection: upgrade, http2-settings", b"upgrade: h2c")], [("inline", b"one")]),
    ],
    ids=["whole", "two", "pipelined", "split body", "split head", "slow", "expect", "chunked", "upgrade"],
)
def test_the_way_of_a_request(chunks, answered):
    app = App()
    written = exchange(app, *chunks)
    assert [body for _, body in answered] == bodies(written)
    assert answered == app.answered


def test_a_request_that_the_application_cannot_answer_inline_becomes_a_task():
    app = App(inline=False)
    assert [b"one"] == bodies(exchange(app, post(b"one")))
    assert [("task", b"one")] == app.answered


def test_a_client_that_does_not_read_is_not_answered_inline():
    app = App()

    async def run() -> None:
        with opened(app) as connection:
            connection.pause_writing()
            connection.data_received(post(b"one"))
            for _ in range(5):
                await asyncio.sleep(0)
            assert [("task", b"one")] == app.answered
            assert b"" == connection.transport.written
            connection.resume_writing()
            for _ in range(5):
                await asyncio.sleep(0)
            assert [b"one"] == bodies(connection.transport.written)

    asyncio.run(run())


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_the_connection_is_kept_as_the_client_requests(version):
    request = post(b"one").replace(b"HTTP/1.1", b"HTTP/" + version)
    written = exchange(App(), request)
    assert (version == b"1.0") == (b"connection: close\r\n" in written)
    assert b"connection: close\r\n" in exchange(App(), post(b"one", b"connection: close"))


def test_the_connection_is_closed_after_the_last_response_before_a_stop():
    def shut(connection: connections.Connection) -> None:
        connection.loop.call_soon(connection.shutdown)

    assert b"connection: close\r\n" in exchange(App(), post(b"one"), prepare=shut)


def test_a_lost_connection_ends_its_request():
    app = App()

    async def run() -> None:
        with opened(app) as connection:
            connection.data_received(post(b"one"))
            assert 1 == app.admission._active
            connection.connection_lost(None)
            await asyncio.sleep(0)

    asyncio.run(run())
    assert [] == app.answered


def test_requests_that_arrive_together_count_before_one_is_answered():
    app = App()

    async def run() -> list[bytes]:
        with opened(app) as first:
            others = [type(first)(first.config, first.server_state, {}) for _ in range(3)]
            for connection in others:
                connection.connection_made(Transport())
            for connection in (first, *others):
                connection.data_received(post(b"one"))
            await asyncio.sleep(0.01)
            return [connection.transport.written[:12] for connection in (first, *others)]

    assert [b"HTTP/1.1 200"] * 3 + [b"HTTP/1.1 503"] == asyncio.run(run())


def test_the_loop_polls_its_sockets_between_slices():
    order: list[str] = []

    class Slow(App):
        def answer_inline(self, _headers: list, body: bytes, _start: float) -> Any:
            order.append("answer")
            end = asyncio.get_running_loop().time() + SLICE_SECONDS * 1.1
            while asyncio.get_running_loop().time() < end:
                pass
            return super().answer_inline(_headers, body, _start)

    async def run() -> None:
        with opened(Slow()) as first:
            second = type(first)(first.config, first.server_state, {})
            second.connection_made(Transport())
            for connection in (first, second):
                connection.data_received(post(b"one"))
            for _ in range(4):
                await asyncio.sleep(0)
                order.append("poll")

    asyncio.run(run())
    assert order.index("poll") < len(order) - 1 - order[::-1].index("answer")


def test_whole_and_split_requests_get_equal_responses(url, row):
    port, body = int(url.rsplit(":", 1)[1]), httpx.Request("POST", url, json=row).content
    responses = []
    for cut in (None, -5):
        with connected(port, post(body, b"x-request-id: a", b"connection: close")[:cut]) as client:
            if cut:
                time.sleep(0.1)
                client.sendall(body[cut:])
            responses.append(b"".join(iter(lambda client=client: client.recv(65536), b"")))
    whole, split = ({*response.lower().split(b"\r\n")} for response in responses)
    assert {line for line in whole ^ split if not line.startswith(b"date: ")} == set()
    assert any(line.startswith(b"date: ") for line in whole)
