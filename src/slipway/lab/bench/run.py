"""Command `slipway bench`: start the servers, measure them, and print the results."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from slipway import output
from slipway.errors import MissingFileError
from slipway.lab.bench import report
from slipway.lab.bench.bench_result import BenchResult, BenchServer
from slipway.lab.bench.measure import measure
from slipway.lab.bench.quiet import IdleWait
from slipway.lab.bench.servers import SERVERS, running
from slipway.schema.payloads import read_payloads
from slipway.serving import model_folder
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.lab.bench.servers import Server
    from slipway.settings.serving import BenchSection

ESTIMATOR = Path("build/trained/model.skops")


def main(payloads: Path, workers: int) -> None:
    """Benchmark the model of this repository. Raises UserError if a server fails to start or to answer."""
    settings = read_settings()
    plan = settings.bench
    if not ESTIMATOR.is_file():
        raise MissingFileError(f"{ESTIMATOR}: missing; run `slipway train`")
    rows = read_payloads(payloads, max(plan.rows) * plan.tables, settings.seed)
    model = {"SLIPWAY_MODEL_DIR": str(model_folder.locate()), "SLIPWAY_BENCH_ESTIMATOR": str(ESTIMATOR)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that SIGTERM stops the servers, too
    results = bench(rows, plan, workers, {**os.environ, **model})
    output.result(results, lambda: report.text(results, plan))


def bench(rows: Sequence[str], plan: BenchSection, workers: int, environment: Mapping[str, str]) -> BenchResult:
    """Start all servers, measure them interleaved, stop them, and return the measurements.

    In `environment`, which the servers inherit, SLIPWAY_MODEL_DIR is the folder of the model, and
    SLIPWAY_BENCH_ESTIMATOR the file of the estimator that it was exported from.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name, ExitStack() as stack:
        folder, idle = Path(name), IdleWait(plan.idle_timeout_seconds)
        ready: dict[str, list[float]] = {server: [] for server in SERVERS}
        for _ in range(plan.starts - 1):
            for server, seconds in ready.items():
                idle.wait()
                with running(server, workers, folder, environment) as started:
                    seconds.append(started.ready_seconds)
        servers = {server: stack.enter_context(running(server, workers, folder, environment)) for server in SERVERS}
        idle_megabytes = {server: started.megabytes() for server, started in servers.items()}
        output.progress(f"bench: {len(servers)} servers are ready")
        cells = measure(servers, rows, Path(environment["SLIPWAY_MODEL_DIR"]), plan, idle)
        return BenchResult(
            workers=workers,
            quiet=idle.left > 0,
            servers=[
                _server_result(name, server, ready[name], idle_megabytes[name]) for name, server in servers.items()
            ],
            cells=cells,
        )


def _server_result(name: str, server: Server, earlier: list[float], idle_megabytes: tuple[float, float]) -> BenchServer:
    worker, together = server.megabytes()
    return BenchServer(
        name=name,
        ready_seconds=median([*earlier, server.ready_seconds]),
        worker_megabytes=idle_megabytes[0],
        all_megabytes=idle_megabytes[1],
        loaded_worker_megabytes=worker,
        loaded_all_megabytes=together,
    )
