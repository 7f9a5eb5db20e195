"""Measured servers: each starts on a free port of this machine, and is always stopped."""

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

from slipway.errors import ToolError
from slipway.serving.run import NO_TELEMETRY, SERVICE, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

COMMON_ENVIRONMENT = {"ORT_DISABLE_TELEMETRY": "1"}  # the service sets it, which makes it faster; so do all servers
READY_TIMEOUT_SECONDS = 180  # Ray Serve takes a minute on a busy machine
STOP_TIMEOUT_SECONDS = 15
POLL_SECONDS = 0.005  # between two readiness checks, and therefore the error of the startup time

SERVERS = {
    "vanilla": ["bentoml", "serve", "slipway.lab.bench.vanilla:Vanilla"],
    "service": ["bentoml", "serve", SERVICE],
    "ceiling": ["uvicorn", "slipway.lab.bench.ceiling:app"],
    "no-op": ["uvicorn", "slipway.lab.bench.noop:app"],
}
"""Command of each server, as a Python module with arguments."""


@dataclass(frozen=True)
class Launch:
    """How a server starts: a Python module with arguments, to which the address and the workers are added."""

    arguments: Sequence[str]
    python: str = sys.executable


@dataclass
class Server:
    """A running server."""

    port: int
    ready_seconds: float
    """Seconds from its start to its first positive readiness check."""
    process: psutil.Popen

    def family(self) -> list[psutil.Process]:
        """Return the started process and its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        times = [process.cpu_times() for process in self.family()]
        return sum(cpu.user + cpu.system for cpu in times)

    def megabytes(self) -> tuple[float, float]:
        """Return the resident memory in megabytes of a worker, which is the largest process, and of all processes."""
        sizes = [process.memory_info().rss / 1e6 for process in self.family()]
        return max(sizes), sum(sizes)


@contextmanager
def running(
    name: str, workers: int, folder: Path, environment: Mapping[str, str], launch: Launch | None = None
) -> Iterator[Server]:
    """Start a server of SERVERS, or of `launch`, wait until it is ready, and stop it after the block.

    Its files and its log are in `folder`. Raises UserError with the last line of the log if it does not become ready.
    """
    port, log, launch = free_port(), folder / f"{name}.log", launch or Launch(SERVERS[name])
    start = time.perf_counter()
    with log.open("ab") as output:
        process = psutil.Popen(
            _command(launch, port, workers),
            env=_environment(name, launch, workers, folder, environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # keeps Ctrl-C from the servers, which are stopped below
        )
    server = Server(port, 0.0, process)
    try:
        _wait(name, server, log)
        server.ready_seconds = time.perf_counter() - start
        yield server
    finally:
        _end(process)


def _command(launch: Launch, port: int, workers: int) -> list[str]:
    command = [launch.python, "-m", *launch.arguments, "--host", "127.0.0.1", "--port", str(port)]
    if launch.arguments[0] == "uvicorn":
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return command if launch.arguments[0] == "bentoml" else [*command, "--workers", str(workers)]


def _environment(
    name: str, launch: Launch, workers: int, folder: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    home = folder / f"{name}-home"  # not shared, because BentoML deletes files in it at startup
    service = "slipway" if name == "service" else launch.arguments[-1].rsplit(":", 1)[-1].lower()
    options = f"services.{service}.workers={workers}" if launch.arguments[0] == "bentoml" else ""
    log = str(folder / f"{name}-predictions")  # for the prediction log of the service
    own = {"BENTOML_HOME": str(home), "BENTOML_CONFIG_OPTIONS": options, "SLIPWAY_PREDICTIONS": log}
    return {**environment, **NO_TELEMETRY, **COMMON_ENVIRONMENT, **own}


def _wait(name: str, server: Server, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not _is_ready(server.port):
        if server.process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise ToolError(f"bench: the server {name} does not start: {lines[-1] if lines else 'its log is empty'}")
        time.sleep(POLL_SECONDS)


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
    """Stop a process and its workers: by SIGTERM, then by SIGKILL."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = [process]
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=STOP_TIMEOUT_SECONDS)
    for member in alive:
        member.kill()
    psutil.wait_procs(alive, timeout=STOP_TIMEOUT_SECONDS)  # without an init process, killed orphans stay
