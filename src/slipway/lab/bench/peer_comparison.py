"""Command `slipway bench --peers`: the service compared with what a user may pick instead, one row per request."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import locked_environment, output
from slipway.lab.bench import report
from slipway.lab.bench.bench_result import PeersResult
from slipway.lab.bench.measure import MODEL, Contestant, as_rows, measure
from slipway.lab.bench.quiet import IdleWait
from slipway.lab.bench.servers import SERVERS, Launch, running
from slipway.schema.payloads import read_payloads
from slipway.serving import model_folder
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slipway.settings.serving import BenchSection

FOLDER = Path(__file__).parent / "peers"
SOURCES = Path(__file__).parents[3]
MODULE = "slipway.lab.bench.peers"
BASELINE = "FastAPI"


@dataclass(frozen=True)
class Peer:
    """A server to compare with."""

    arguments: tuple[str, ...]
    packages: tuple[str, ...]
    """Packages whose versions are stated."""
    requirements: str | None = None
    """File with the locked packages of its environment; None for that of this project."""
    body: Callable[[Sequence[str]], str] = as_rows
    before: tuple[int, int] | None = None
    """First version of Python that it does not support; it is left out there."""


PEERS = {
    "service": Peer(tuple(SERVERS["service"]), ("bentoml", "uvicorn", "uvloop")),
    "FastAPI": Peer(("uvicorn", f"{MODULE}.fastapi_app:app"), ("fastapi", "uvicorn", "uvloop"), "fastapi.txt"),
    "FastAPI, granian": Peer(
        ("granian", "--interface", "asgi", "--loop", "uvloop", f"{MODULE}.fastapi_app:app"),
        ("fastapi", "granian", "uvloop"),
        "fastapi.txt",
    ),
    "LitServe": Peer((f"{MODULE}.litserve_app",), ("litserve", "fastapi", "uvicorn"), "litserve.txt"),
    "Ray Serve": Peer((f"{MODULE}.rayserve_app",), ("ray", "fastapi", "uvicorn"), "rayserve.txt"),
    "MLServer": Peer((f"{MODULE}.mlserver_app",), ("mlserver", "fastapi", "uvicorn"), "mlserver.txt", before=(3, 13)),
    "BentoML": Peer(
        ("bentoml", "serve", f"{MODULE}.bentoml_routes:Routes"),
        ("bentoml", "uvicorn", "uvloop"),
        body=lambda rows: f'{{"row":{rows[0]}}}',
    ),
}


def main(payloads: Path, workers: int) -> None:
    """Compare the service of this repository with its peers. Raises UserError if a server fails to start or answer."""
    settings = read_settings()
    plan = settings.bench.model_copy(update={"rows": [1], "connections": [settings.bench.targets.connections]})
    rows = read_payloads(payloads, plan.bodies, settings.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that SIGTERM stops the servers, too
    result = compare(rows, plan, workers, {**os.environ, "SLIPWAY_MODEL_DIR": str(model_folder.locate())})
    output.result(result, lambda: text(result))


def compare(rows: Sequence[str], plan: BenchSection, workers: int, environment: Mapping[str, str]) -> PeersResult:
    """Install and start the PEERS that this Python supports, measure them interleaved, and stop them.

    In `environment`, which the servers inherit, SLIPWAY_MODEL_DIR is the folder of the model.
    """
    paths = [path for path in (environment.get("PYTHONPATH"), str(SOURCES)) if path]
    own = {**environment, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory(prefix="slipway-peers-") as name, ExitStack() as stack:
        folder, idle = Path(name), IdleWait(plan.idle_timeout_seconds)
        peers = {peer: about for peer, about in PEERS.items() if not about.before or sys.version_info < about.before}
        servers = {}
        for peer_name, peer in peers.items():
            launch = Launch(peer.arguments, _python(peer))
            output.progress(f"bench: start {peer_name}")
            servers[peer_name] = stack.enter_context(running(peer_name, workers, folder, own, launch))
        contestants = [Contestant(name, name, peer.body) for name, peer in peers.items()]
        model_dir = Path(environment["SLIPWAY_MODEL_DIR"])
        cells = measure(servers, rows, model_dir, plan, idle, contestants, (BASELINE,))
        return PeersResult(
            workers=workers,
            quiet=idle.left > 0,
            versions={name: _versions(peer) for name, peer in peers.items()},
            megabytes={name: server.megabytes()[1] for name, server in servers.items()},
            cells=[cell for cell in cells if cell.name != MODEL],
        )


def text(result: PeersResult) -> str:
    """Return the table of the servers, and a warning about unreliable results."""
    lines = [("", "requests/s", "p50 ms", "p99 ms", "CPU s/1,000", f"/ {BASELINE}", "all MB", "versions")]
    lines += [
        (
            cell.name,
            f"{cell.requests_per_second:,.0f}",
            f"{cell.p50_milliseconds:.2f}",
            f"{cell.p99_milliseconds:.2f}",
            f"{cell.cpu_seconds_per_1000:.3f}",
            f"{cell.ratios[BASELINE]:.2f}",
            f"{result.megabytes[cell.name]:.0f}",
            result.versions[cell.name],
        )
        for cell in result.cells
    ]
    return "\n\n".join([report.table(lines), *([] if result.quiet else [report.BUSY_WARNING])])


def _python(peer: Peer) -> str:
    """Return the Python of a peer's environment, which is installed if this machine has none with these packages."""
    if peer.requirements is None:
        return sys.executable
    return locked_environment.python(FOLDER / peer.requirements, "bench")


def _versions(peer: Peer) -> str:
    if peer.requirements is None:
        return ", ".join(f"{name} {version(name)}" for name in peer.packages)
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (FOLDER / peer.requirements).read_text(), re.MULTILINE))
    return ", ".join(f"{name} {locked[name]}" for name in peer.packages)
