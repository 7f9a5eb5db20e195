"""The front door: Traefik, which follows one file in a folder of its own.

The file is replaced by rename; rewritten in place it would be read half written, and every request answered with 404.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

THROTTLE = "100ms"  # between two changes of the file; Traefik's own 2 s would make each switch as slow
ENTRY = "front"
PORTS = range(15000, 32000)
TRIES = 200  # ports looked at before giving up


def tool(name: str) -> str:
    """Path of a program that stands beside this Python, or on PATH. Raises UserError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise UserError(f"{name}: not found; run `uv sync`, which installs it")
    return found


def command(port: int, routes: Path) -> list[str]:
    """Command line of Traefik at `port` of this machine, following the folder of `routes`."""
    return [
        tool("traefik"),
        f"--entryPoints.{ENTRY}.address=127.0.0.1:{port}",
        f"--providers.file.directory={routes.parent}",
        "--providers.file.watch=true",
        f"--providers.providersThrottleDuration={THROTTLE}",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
        "--log.level=WARN",
        "--log.noColor=true",
    ]


def render(weights: Mapping[str, tuple[int, tuple[int, ...]]]) -> str:
    """Text of the routes: of each release the weight, and the ports of its services. None at all answers 404."""
    if not weights:
        return "# Nothing serves here yet.\n{}\n"
    services = {name: _balancer(ports) for name, (_, ports) in weights.items()}
    weighted = [{"name": name, "weight": weight} for name, (weight, _) in weights.items()]
    routers = {"front": {"rule": "PathPrefix(`/`)", "entryPoints": [ENTRY], "service": "releases"}}
    http = {"routers": routers, "services": {"releases": {"weighted": {"services": weighted}}, **services}}
    return "# Written by `slipway agent`, which mends whatever else is written here.\n" + yaml.safe_dump(
        {"http": http}, sort_keys=False
    )


def service_name(release: str, digest: str) -> str:
    """Name of a release in the routes."""
    return f"{release}-{digest.removeprefix('sha256:')[:12]}".replace(".", "-")


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if nobody listens there, else any free port below those of outgoing connections.

    A service binds its port seconds after it was chosen; one that the system hands out could be taken by then.
    """
    for port in (preferred, *secrets.SystemRandom().sample(PORTS, TRIES)):
        if port is not None and _is_free(port):
            return port
    raise UserError(f"127.0.0.1: no free port from {PORTS.start} to {PORTS.stop}; end something that listens")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _balancer(ports: tuple[int, ...]) -> dict[str, object]:
    return {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"} for port in ports]}}
