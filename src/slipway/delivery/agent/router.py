"""The front door: Traefik, which follows one file in a folder of its own.

The file is replaced by rename; rewritten in place it would be read half written, and every request answered with 404.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12
from slipway.errors import UserError
from slipway.gates.canary import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence

THROTTLE = "100ms"  # between two changes of the file; Traefik's own 2 s would make each switch as slow
HEADER = "# Written by `slipway agent`, which mends whatever else is written here.\n"
IDLE_SECONDS = 4  # of a connection to a service, which closes it at its own `idle_seconds`: who asks just then gets 502
ENTRY = "front"
INSIDE = "inside"
PORTS = range(15000, 32000)
PORT_MAX = 65535
FOLLOWED = {".yml", ".yaml", ".toml"}  # files that Traefik reads in the folder that it watches
STATE_PATH = "/.slipway/state.json"
"""Where an environment says, at its front door, what its agent did and saw."""
STATE_AT_ONCE = 4  # requests for it; clients of the service must not be able to keep the agent busy
TRIES = 200  # ports looked at before giving up
REQUESTS = "traefik_service_requests"
SECONDS = "traefik_service_request_duration_seconds"


@dataclass(frozen=True)
class Backend:
    """Services that share a part of the requests."""

    name: str
    ports: tuple[int, ...]
    weight: int


@dataclass(frozen=True)
class Shadow:
    """Who gets copies of requests, whose answers nobody sees; it finds each backend inside, by its name."""

    port: int
    percent: int


def tool(name: str) -> str:
    """Path of a program that stands beside this Python, or on PATH. Raises UserError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise UserError(f"{name}: not found; run `uv sync`, which installs it")
    return found


def command(port: int, inside: int, routes: Path) -> list[str]:
    """Command line of Traefik: clients come to `port`, we to `inside`; it follows the folder of `routes`."""
    return [
        tool("traefik"),
        f"--entryPoints.{ENTRY}.address=127.0.0.1:{port}",
        f"--entryPoints.{INSIDE}.address=127.0.0.1:{inside}",
        f"--providers.file.directory={routes.parent}",
        "--providers.file.watch=true",
        f"--providers.providersThrottleDuration={THROTTLE}",
        "--ping.manualRouting=true",
        f"--metrics.prometheus.entryPoint={INSIDE}",
        f"--metrics.prometheus.buckets={','.join(map(str, BOUNDS))}",
        "--metrics.prometheus.addEntryPointsLabels=false",
        f"--serversTransport.forwardingTimeouts.idleConnTimeout={IDLE_SECONDS}s",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
        "--log.level=WARN",
        "--log.noColor=true",
    ]


def render(backends: Sequence[Backend], shadow: Shadow | None = None) -> str:
    """Text of the routes. Without a backend every request is answered with 404.

    `path` of the text answers inside from when the front door follows it.
    """
    services: dict[str, Any] = {one.name: _balancer(one.ports) for one in backends}
    routers: dict[str, Any] = {
        one.name: {"rule": f"Host(`{one.name}`)", "entryPoints": [INSIDE], "service": one.name} for one in backends
    }
    if backends:
        weighted = [{"name": one.name, "weight": one.weight} for one in backends if one.weight]
        services["releases"] = {"weighted": {"services": weighted}}
        routers["front"] = {"rule": "PathPrefix(`/`)", "entryPoints": [ENTRY], "service": "releases"}
    if shadow:
        services["shadow"] = _balancer((shadow.port,))
        mirrors = [{"name": "shadow", "percent": shadow.percent}]
        services["mirrored"] = {"mirroring": {"service": "releases", "mirrors": mirrors}}
        routers["front"]["service"] = "mirrored"
    stamp = hashlib.sha256(json.dumps([routers, services]).encode()).hexdigest()[:16]
    loaded = {"rule": f"Path(`/{stamp}`)", "entryPoints": [INSIDE], "service": "ping@internal", "priority": 1000}
    http = {"routers": {"loaded": loaded, **routers}, **({"services": services} if services else {})}
    return f"{HEADER}# /{stamp}\n" + yaml12.dump({"http": http})


def status_route(port: int) -> str:
    """Text of the file that leads clients to what the agent, at `port`, says of itself; nothing else of it is shown."""
    route = {
        "rule": f"Method(`GET`) && Path(`{STATE_PATH}`)",
        "entryPoints": [ENTRY],
        "service": "agent",
        "middlewares": ["few"],
        "priority": 1000,
    }
    few = {"few": {"inFlightReq": {"amount": STATE_AT_ONCE}}}
    services = {"agent": _balancer((port,))}
    return HEADER + yaml12.dump({"http": {"routers": {"agent": route}, "middlewares": few, "services": services}})


def path(text: str) -> str:
    """Where Traefik answers, inside, once it follows the routes in `text`; "" for a text that is not `render`'s."""
    lines = text.removeprefix(HEADER).splitlines()
    return lines[0].removeprefix("# ") if text.startswith(HEADER) and lines else ""


def service_name(release: str, digest: str) -> str:
    """Name of a release in the routes."""
    return f"{release}-{digest.removeprefix('sha256:')[:12]}".replace(".", "-")


def port_of(url: str | None) -> int | None:
    """Return the port of a front door's URL on this machine; None for any other text, or for none."""
    found = re.fullmatch(r"http://127\.0\.0\.1:([1-9]\d{0,4})\s*", url or "")
    return int(found[1]) if found and int(found[1]) <= PORT_MAX else None


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if nobody listens there, else any free port below those of outgoing connections.

    A service binds its port seconds after it was chosen; one that the system hands out could be taken by then.
    """
    for port in (preferred, *secrets.SystemRandom().sample(PORTS, TRIES)):
        if port is not None and is_free(port):
            return port
    raise UserError(f"127.0.0.1: no free port from {PORTS.start} to {PORTS.stop}; end something that listens")


def is_free(port: int) -> bool:
    """Whether nobody listens at `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _balancer(ports: tuple[int, ...]) -> dict[str, object]:
    return {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"} for port in ports]}}
