"""Configuration of the gateway: Traefik as a reverse proxy that watches a folder with the routes.

The routes file is replaced by rename. Traefik could read a file that is rewritten in place before it is complete, and
then answer every request with 404.
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
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from slipway import yaml12
from slipway.environment.agent_report import STATE_PATH
from slipway.errors import BusyError, MissingToolError
from slipway.gates.canary import BOUNDS

RELOAD_INTERVAL = "100ms"  # between two reloads of the routes; Traefik's default of 2 s would delay each switch
HEADER = "# Written by `slipway agent`, which overwrites any other change.\n"
IDLE_SECONDS = 4  # less than `idle_seconds` of the service: a request on a connection that it just closed gets 502
PUBLIC_ENTRY_POINT = "front"
INTERNAL_ENTRY_POINT = "inside"
SERVICE_PORTS = range(15000, 32000)
PORT_MAX = 65535
WATCHED_SUFFIXES = {".yml", ".yaml", ".toml"}  # files that Traefik reads in the folder that it watches
RENDERED_MAX = 8  # contents of the routes file that are cached
STATE_REQUESTS_MAX = 4  # concurrent ones, so that clients of the service cannot overload the agent
PORT_ATTEMPTS_MAX = 200
SIDE_HEADER = "X-Slipway-Side"
UNIT_HEADER = "X-Slipway-Unit"
SIDE_RESPONSE_BYTES_MAX = 1024
BODY_BYTES_MAX = 16 * 2**20  # of a request whose row names the user; Traefik refuses a larger one with 401
REQUESTS_METRIC = "traefik_service_requests"
DURATION_METRIC = "traefik_service_request_duration_seconds"


@dataclass(frozen=True)
class Backend:
    """Services of one release, and their weight among all backends."""

    name: str
    ports: tuple[int, ...]
    weight: int


@dataclass(frozen=True)
class Shadow:
    """Target of mirrored requests, whose responses Traefik drops.

    It reaches each backend at the internal port of the gateway, by its name.
    """

    port: int
    percent: int


def tool(name: str) -> str:
    """Return the path of a program next to this Python or on PATH. Raises UserError if it is missing."""
    sibling = Path(sys.executable).with_name(name)
    path = str(sibling) if sibling.exists() else shutil.which(name)
    if path is None:
        raise MissingToolError(f"{name}: not found; run `uv sync`, which installs it")
    return path


def command(port: int, inside: int, routes: Path) -> list[str]:
    """Return the command line of Traefik, which watches the folder of `routes`.

    `port` is for clients, and `inside` for metrics and internal routes.
    """
    return [
        tool("traefik"),
        f"--entryPoints.{PUBLIC_ENTRY_POINT}.address=127.0.0.1:{port}",
        f"--entryPoints.{INTERNAL_ENTRY_POINT}.address=127.0.0.1:{inside}",
        f"--providers.file.directory={routes.parent}",
        "--providers.file.watch=true",
        f"--providers.providersThrottleDuration={RELOAD_INTERVAL}",
        "--ping.manualRouting=true",
        f"--metrics.prometheus.entryPoint={INTERNAL_ENTRY_POINT}",
        f"--metrics.prometheus.buckets={','.join(map(str, BOUNDS))}",
        "--metrics.prometheus.addEntryPointsLabels=false",
        f"--serversTransport.forwardingTimeouts.idleConnTimeout={IDLE_SECONDS}s",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
        "--log.level=WARN",
        "--log.noColor=true",
    ]


@dataclass(frozen=True)
class Split:
    """The side of each request: the process at `port` names it in SIDE_HEADER, and `treatment` gets its own.

    Traefik chooses a route before middlewares run. The public route therefore sends a request with its side to the
    internal entry point, where routes by SIDE_HEADER are.
    """

    port: int
    inside: int
    treatment: Backend
    sends_body: bool = False


@lru_cache(RENDERED_MAX)  # the agent renders in every pass, and the routes rarely change
def render(backends: tuple[Backend, ...], shadow: Shadow | None = None, split: Split | None = None) -> str:
    """Return the content of the routes file. Without a backend, Traefik answers every request with 404.

    Once an entry point has loaded the routes, it answers at the path that `loaded_path` returns for them.
    """
    services: dict[str, Any] = {backend.name: _balancer(backend.ports) for backend in backends}
    routers: dict[str, Any] = {
        backend.name: {
            "rule": f"Host(`{backend.name}`)",
            "entryPoints": [INTERNAL_ENTRY_POINT],
            "service": backend.name,
        }
        for backend in backends
    }
    if backends:
        weighted = [{"name": backend.name, "weight": backend.weight} for backend in backends if backend.weight]
        services["releases"] = {"weighted": {"services": weighted}}
        routers["front"] = {"rule": "PathPrefix(`/`)", "entryPoints": [PUBLIC_ENTRY_POINT], "service": "releases"}
    if shadow:
        services["shadow"] = _balancer((shadow.port,))
        mirrors = [{"name": "shadow", "percent": shadow.percent}]
        services["mirrored"] = {"mirroring": {"service": "releases", "mirrors": mirrors}}
        routers["front"]["service"] = "mirrored"
    middlewares = _split(split, routers, services) if split else {}
    stamp = hashlib.sha256(json.dumps([routers, services, middlewares]).encode()).hexdigest()[:16]
    loaded = {
        "rule": f"Path(`/{stamp}`)",
        "entryPoints": [PUBLIC_ENTRY_POINT, INTERNAL_ENTRY_POINT],
        "service": "ping@internal",
        "priority": 1000,
    }
    optional = {"middlewares": middlewares, "services": services}
    http = {"routers": {"loaded": loaded, **routers}, **{name: part for name, part in optional.items() if part}}
    return f"{HEADER}# /{stamp}\n" + yaml12.dump({"http": http})


@cache
def status_route(port: int) -> str:
    """Return the file that routes STATE_PATH, and no other path, to the status server of the agent at `port`."""
    route = {
        "rule": f"Method(`GET`) && Path(`{STATE_PATH}`)",
        "entryPoints": [PUBLIC_ENTRY_POINT],
        "service": "agent",
        "middlewares": ["limit"],
        "priority": 1000,
    }
    limit = {"limit": {"inFlightReq": {"amount": STATE_REQUESTS_MAX}}}
    services = {"agent": _balancer((port,))}
    return HEADER + yaml12.dump({"http": {"routers": {"agent": route}, "middlewares": limit, "services": services}})


def loaded_path(text: str) -> str:
    """Return the path at which each entry point of Traefik answers once it has loaded the routes `text`.

    Returns "" if `render` did not write `text`.
    """
    lines = text.removeprefix(HEADER).splitlines()
    return lines[0].removeprefix("# ") if text.startswith(HEADER) and lines else ""


def service_name(release: str, digest: str) -> str:
    """Return the name of a release in the routes."""
    return f"{release}-{digest.removeprefix('sha256:')[:12]}".replace(".", "-")


def port_of(url: str | None) -> int | None:
    """Return the port of a gateway URL on this machine, or None for any other text."""
    match = re.fullmatch(r"http://127\.0\.0\.1:([1-9]\d{0,4})\s*", url or "")
    return int(match[1]) if match and int(match[1]) <= PORT_MAX else None


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if it is free, else a random free port.

    SERVICE_PORTS is below the system's range for outgoing connections. A service binds its port seconds after it was
    chosen, and the system could assign a port of its own range in the meantime. Raises UserError if no port is free.
    """
    for port in (preferred, *secrets.SystemRandom().sample(SERVICE_PORTS, PORT_ATTEMPTS_MAX)):
        if port is not None and is_free(port):
            return port
    raise BusyError(
        f"127.0.0.1: no free port from {SERVICE_PORTS.start} to {SERVICE_PORTS.stop}; stop a process that listens there"
    )


def is_free(port: int) -> bool:
    """Return whether no process listens at `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _split(split: Split, routers: dict[str, Any], services: dict[str, Any]) -> dict[str, Any]:
    """Add the routes and services of `split`, and return its middleware.

    Traefik removes headers of these names that a client sent. A column of the row needs the body.
    """
    body = {"forwardBody": True, "maxBodySize": BODY_BYTES_MAX} if split.sends_body else {}
    side = {
        "address": f"http://127.0.0.1:{split.port}/",
        "authResponseHeaders": [SIDE_HEADER, UNIT_HEADER],
        "maxResponseBodySize": SIDE_RESPONSE_BYTES_MAX,
        "trustForwardHeader": False,
        **body,
    }
    services |= {"sided": _balancer((split.inside,)), split.treatment.name: _balancer(split.treatment.ports)}
    inside = {"entryPoints": [INTERNAL_ENTRY_POINT]}
    routers["treatment"] = {
        "rule": f"HeaderRegexp(`{SIDE_HEADER}`, `^treatment$`)",
        **inside,
        "service": split.treatment.name,
        "priority": 20,
    }
    routers["others"] = {"rule": "PathPrefix(`/`)", **inside, "service": "releases", "priority": 1}
    routers["front"] |= {"service": "sided", "middlewares": ["side"]}
    return {"side": {"forwardAuth": side}}


def _balancer(ports: tuple[int, ...]) -> dict[str, object]:
    return {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"} for port in ports]}}
