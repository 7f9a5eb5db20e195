"""Slow, flooding and idle clients are disconnected, and others are served meanwhile."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from .conftest import both_ways

pytestmark = both_ways
IDLE_SECONDS = 1.0
BODY_SECONDS = 1.5
HEAD_BYTES = 5000
CONNECTIONS = 600
CONCURRENCY_MAX = 2
WAITING_BYTES = 300_000
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def service(serve, numbers, model_dir, tmp_path_factory):
    """Port of a service with short timeouts, and the process that answers."""
    limits = numbers(
        idle_seconds=IDLE_SECONDS,
        timeout_seconds=BODY_SECONDS,
        max_head_bytes=HEAD_BYTES,
        max_connections=CONNECTIONS,
        max_concurrency=CONCURRENCY_MAX,
        max_waiting_bytes=WAITING_BYTES,
    )
    with serve(model_dir, tmp_path_factory.mktemp("home"), **limits) as (url, process):
        yield int(url.rsplit(":", 1)[1]), [process, *process.children()][-1]


@pytest.fixture
def port(service):
    return service[0]


@pytest.fixture
def worker(service):
    return service[1]


@contextmanager
def connected(port: int, first: bytes = b""):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(first)
        yield client


def dribble(client: socket.socket, piece: bytes, seconds: float = 8) -> tuple[float, bytes]:
    """Send `piece` ten times a second until the service closes; return the seconds and the received bytes."""
    start, received = time.monotonic(), b""
    client.settimeout(0.1)
    while time.monotonic() < start + seconds:
        try:
            client.sendall(piece)
            data = client.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return time.monotonic() - start, received
        if not data:
            return time.monotonic() - start, received
        received += data
    raise AssertionError(f"still open after {seconds} s")


def ready(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code


def predict(port: int, row: dict) -> int:
    return httpx.post(f"http://127.0.0.1:{port}/predict", json=row, timeout=5).status_code


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b""),
        (b"POST /pre", b""),
        (HEAD + b"x-slow: ", b"a"),
        (HEAD, b"a: b\r\n"),
        (b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", b""),
        (b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" + HEAD + b"x-slow: ", b"a"),
    ],
    ids=["silent", "stuck", "one header", "many headers", "silent after an answer", "headers after an answer"],
)
def test_a_connection_without_a_complete_request_in_time_is_closed(port, first, piece):
    with connected(port, first) as client:
        seconds, _ = dribble(client, piece)
    assert IDLE_SECONDS * 0.9 < seconds < IDLE_SECONDS + 3


def test_a_slow_body_is_refused_and_the_connection_closed(port):
    with connected(port, HEAD + b"content-length: 1000\r\n\r\n") as client:
        seconds, received = dribble(client, b" ")
    assert b"HTTP/1.1 408 " in received
    assert BODY_SECONDS * 0.9 < seconds < BODY_SECONDS + IDLE_SECONDS + 3


def test_a_connection_that_keeps_sending_after_a_refusal_is_closed(port):
    with connected(port, HEAD + b"content-length: 90000000\r\n\r\n") as client:
        seconds, received = dribble(client, b" ")
    assert b"HTTP/1.1 413 " in received
    assert seconds < IDLE_SECONDS + 3


@pytest.mark.parametrize("piece", [b"a: b\r\n" * 100, b"a" * 600], ids=["many headers", "one header"])
def test_endless_headers_are_refused(port, piece):
    with connected(port, HEAD + b"x: ") as client:
        _, received = dribble(client, piece)
    assert b"HTTP/1.1 431 " in received


def test_endless_headers_after_an_active_request_are_cut(port):
    with connected(port, HEAD + b"content-length: 10\r\n\r\n 12345678" + b" " + HEAD + b"x: ") as client:
        seconds, _ = dribble(client, b"a" * 600)
    assert seconds < IDLE_SECONDS + 3


def test_an_incomplete_body_does_not_count_as_active(port, row):
    with ExitStack() as stack:
        for _ in range(CONCURRENCY_MAX + 3):
            stack.enter_context(connected(port, HEAD + b"content-length: 1000\r\n\r\n{"))
        assert 200 == predict(port, row)


def test_the_total_of_unfinished_bodies_is_limited(port, row):
    part = b" " * 200_000
    with connected(port, HEAD + b"content-length: 1000000\r\n\r\n" + part):
        time.sleep(0.1)
        with connected(port, HEAD + b"content-length: 1000000\r\n\r\n" + part) as second:
            answer = second.recv(1000)
            assert 200 == predict(port, row)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in answer


def test_five_hundred_slow_connections_do_not_delay_others(port, worker, row):
    before = worker.memory_info().rss
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(port, HEAD + b"x-slow: " + b"a" * 1000)) for _ in range(500)]
        assert (200, 200) == (ready(port), predict(port, row))
        grown = worker.memory_info().rss - before
        closed = [dribble(client, b"") for client in clients]
    assert grown < 30e6
    assert 500 == len(closed)


def test_connections_above_the_limit_are_refused_and_the_others_served(port, row):
    with ExitStack() as stack:
        asker = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        assert 200 == asker.get("/readyz").status_code
        for _ in range(CONNECTIONS):
            last = stack.enter_context(connected(port))
        assert last.recv(1000).startswith(b"HTTP/1.1 503 ")
        assert 200 == asker.post("/predict", json=row).status_code
    assert 200 == predict(port, row)


def test_an_upgrade_to_a_web_socket_is_ignored(port):
    upgrade = (
        b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    with connected(port, b"GET / HTTP/1.1\r\nhost: x\r\n" + upgrade) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
