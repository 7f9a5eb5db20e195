"""The gateway by itself, without an agent."""

from __future__ import annotations

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from slipway.agent import router
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


def _ask(url: str) -> bytes:
    """Return the first response of a gateway that has just been started."""
    for _ in range(300):
        with suppress(httpx.TransportError):
            answer = httpx.get(url, timeout=30)
            if answer.is_success:
                return answer.content
        time.sleep(0.1)
    raise AssertionError(f"{url}: no response")
