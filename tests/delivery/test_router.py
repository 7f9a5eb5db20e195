"""The gateway by itself, without an agent."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from slipway import files
from slipway.agent import router
from slipway.agent.gateway import Gateway
from slipway.agent.loopback_server import LoopbackServer
from slipway.environment.place import Place
from slipway.environment.state import GatewayProcess
from slipway.settings import read_settings

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def listener():
    """Listening socket of a service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def front(listener, tmp_path):
    """Port of a gateway in front of the listener."""
    (tmp_path / "routes.yaml").write_text(router.render((router.Backend("only", (listener.getsockname()[1],), 100),)))
    port, inside = router.free_port(None), router.free_port(None)
    process = subprocess.Popen(router.command(port, inside, tmp_path / "routes.yaml"), stdout=subprocess.DEVNULL)
    yield port
    process.terminate()
    process.wait()


def test_an_idle_connection_is_closed_before_the_service_would_close_it(listener, front):
    listener.settimeout(30)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_ask, f"http://127.0.0.1:{front}/")
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(ANSWER)
        assert b"ok" == answer.result()
    connection.settimeout(read_settings().serving.idle_seconds - 1)
    with connection:
        assert b"" == connection.recv(1000)


@contextmanager
def _entry_point(status: HTTPStatus):
    """Port of a server that answers each GET with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = LoopbackServer(0, Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("public", "inside", "loaded"),
    [
        (HTTPStatus.OK, HTTPStatus.OK, True),
        (HTTPStatus.OK, HTTPStatus.NOT_FOUND, False),
        (HTTPStatus.NOT_FOUND, HTTPStatus.OK, False),
    ],
)
def test_routes_are_loaded_when_both_entry_points_have_them(tmp_path, public, inside, loaded):
    place = Place("staging", tmp_path)
    files.write_text(place.routes, router.render(()))
    with ExitStack() as stack:
        ports = [stack.enter_context(_entry_point(status)) for status in (public, inside)]
        process = GatewayProcess(port=ports[0], inside=ports[1], pid=1, tag="a gateway")
        assert loaded is Gateway(place, 5).has_loaded_routes(process)


def test_a_burst_of_connections_waits_for_a_server_that_is_busy():
    """The server does not accept. The system completes each connection that fits into the backlog."""
    server = LoopbackServer(0, BaseHTTPRequestHandler)
    with ExitStack() as stack:
        stack.callback(server.server_close)
        for _ in range(64):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=0.9))


def _ask(url: str) -> bytes:
    """Return the first response of a gateway that has just been started."""
    for _ in range(300):
        with suppress(httpx.TransportError):
            answer = httpx.get(url, timeout=30)
            if answer.is_success:
                return answer.content
        time.sleep(0.1)
    raise AssertionError(f"{url}: no response")
