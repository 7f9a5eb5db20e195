"""The servers that are measured: each starts on a free port of this machine, and always ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import psutil

from slipway.errors import UserError
from slipway.serving.run import NO_TELEMETRY, SERVICE, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ALIKE = {"ORT_DISABLE_TELEMETRY": "1"}  # the service's own, which makes a row quicker; so all have it
READY_SECONDS = 60
STOP_SECONDS = 15
LOOK_SECONDS = 0.005  # between looks whether a server is ready, and so the error of the start-up time

SERVERS = {
    "stock": ["bentoml", "serve", "slipway.bench.stock:Stock"],
    "service": ["bentoml", "serve", SERVICE],
    "ceiling": ["uvicorn", "slipway.bench.ceiling:app"],
    "no-op": ["uvicorn", "slipway.bench.noop:app"],
}
"""Command of each server, as modules of Python."""


@dataclass
class Server:
    """A server that runs."""

    port: int
    ready_seconds: float
    """From its start to the first time that it said that it is ready."""
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """The process that was started, and the workers that it started."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Used until now, by all of its processes."""
        times = [process.cpu_times() for process in self.family()]
        return sum(each.user + each.system for each in times)

    def megabytes(self) -> tuple[float, float]:
        """Resident memory in 10^6 bytes: of a worker, its largest process, and of all processes together."""
        sizes = [process.memory_info().rss / 1e6 for process in self.family()]
        return max(sizes), sum(sizes)


@contextmanager
def running(name: str, workers: int, folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start a server of SERVERS, and wait until it is ready; its files and its log go to `folder`.

    Raises UserError, with the end of its log, when it ends or is not ready in time.
    """
    port, log = free_port(), folder / f"{name}.log"
    start = time.perf_counter()
    with log.open("ab") as output:
        process = psutil.Popen(
            _command(name, port, workers),
            env=_environment(name, workers, folder, environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours alone: the servers are ended below
        )
    server = Server(port, 0.0, process)
    try:
        _wait(name, server, log)
        server.ready_seconds = time.perf_counter() - start
        yield server
    finally:
        _end(process)


def _command(name: str, port: int, workers: int) -> list[str]:
    command = [sys.executable, "-m", *SERVERS[name], "--host", "127.0.0.1", "--port", str(port)]
    if SERVERS[name][0] == "uvicorn":
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--workers", str(workers)]
    return command


def _environment(name: str, workers: int, folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    home = folder / f"{name}-home"  # BentoML empties it when it starts
    service = "slipway" if name == "service" else name
    options = f"services.{service}.workers={workers}" if SERVERS[name][0] == "bentoml" else ""
    log = str(folder / f"{name}-predictions")  # the service's, which logs each of them
    own = {"BENTOML_HOME": str(home), "BENTOML_CONFIG_OPTIONS": options, "SLIPWAY_PREDICTIONS": log}
    return {**environment, **NO_TELEMETRY, **ALIKE, **own}


def _wait(name: str, server: Server, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(server.port):
        if server.process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise UserError(f"bench: the server {name} does not start: {lines[-1] if lines else 'it said nothing'}")
        time.sleep(LOOK_SECONDS)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _end(process: psutil.Popen) -> None:
    """Politely, and after a while by force."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = [process]
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for each in left:
        each.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)  # not forever: in a container without an init, a killed orphan stays
