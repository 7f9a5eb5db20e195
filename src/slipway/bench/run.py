"""From the files of the repository to the tables of a bench."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from slipway.bench import report
from slipway.bench.measure import measure
from slipway.bench.quiet import Patience
from slipway.bench.servers import SERVERS, running
from slipway.delivery.load.payloads import read_payloads
from slipway.errors import UserError
from slipway.serving import model_folder
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.bench.servers import Server

ESTIMATOR = Path("build/trained/model.skops")


def main(payloads: Path, workers: int, *, as_json: bool) -> None:
    """What `slipway bench` does. Raises UserError when a server does not start or answers anything but 200."""
    params = read_params()
    plan = params["bench"]
    if not ESTIMATOR.is_file():
        raise UserError(f"{ESTIMATOR}: no such file; run `slipway train`")
    rows = read_payloads(payloads, max(plan["rows"]) * plan["tables"], params["seed"])
    model = {"SLIPWAY_MODEL_DIR": str(model_folder.locate()), "SLIPWAY_BENCH_ESTIMATOR": str(ESTIMATOR)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended then, too
    found = bench(rows, plan, workers, {**os.environ, **model})
    print(json.dumps(found, indent=2) if as_json else report.text(found, plan))


def bench(rows: Sequence[str], plan: Mapping[str, Any], workers: int, environment: Mapping[str, str]) -> dict[str, Any]:
    """Start every server, measure them in turns, and end them: {"workers", "quiet", "servers", "cells"}.

    `environment` is that of the servers: its SLIPWAY_MODEL_DIR names the model, SLIPWAY_BENCH_ESTIMATOR what that was
    exported from.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name, ExitStack() as stack:
        folder, patience = Path(name), Patience(plan["idle_timeout_seconds"])
        ready: dict[str, list[float]] = {server: [] for server in SERVERS}
        for _ in range(plan["starts"] - 1):
            for server, seconds in ready.items():
                patience.wait()
                with running(server, workers, folder, environment) as started:
                    seconds.append(started.ready_seconds)
        servers = {server: stack.enter_context(running(server, workers, folder, environment)) for server in SERVERS}
        at_rest = {server: started.megabytes() for server, started in servers.items()}
        print(f"bench: {len(servers)} servers are ready", file=sys.stderr)
        cells = measure(servers, rows, Path(environment["SLIPWAY_MODEL_DIR"]), plan, patience)
        return {
            "workers": workers,
            "quiet": patience.left > 0,
            "servers": [_about(name, server, ready[name], at_rest[name]) for name, server in servers.items()],
            "cells": cells,
        }


def _about(name: str, server: Server, earlier: list[float], at_rest: tuple[float, float]) -> dict[str, Any]:
    worker, together = server.megabytes()
    return {
        "name": name,
        "ready_seconds": median([*earlier, server.ready_seconds]),
        "worker_megabytes": at_rest[0],
        "all_megabytes": at_rest[1],
        "loaded_worker_megabytes": worker,
        "loaded_all_megabytes": together,
    }
