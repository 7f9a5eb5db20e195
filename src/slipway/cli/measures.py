"""Commands that measure the gates, the service and the packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.panels import EnvironmentOption, JsonOption, on_panel
from slipway.loadtest import PAYLOADS

command = on_panel("Benchmarks and audits")


@command
def faults(
    draws: int = typer.Option(200, min=0, help="Number of random draws of clean data; none of them may be blocked."),
) -> None:
    """Inject dozens of faults into the newest data file, and show which ones the data checks block, and why.

    Example: `slipway faults --draws 200`
    """
    from slipway.lab import data_faults as job

    job.faults(Path("data"), draws)


@command
def power(
    count: int = typer.Option(500, min=1, help="Number of resamples of the test rows per check."),
    processes: int = typer.Option(2, min=1, help="Number of parallel processes."),
    canary: Annotated[
        bool, typer.Option("--canary", help="Measure the canary's gate instead, on simulated requests.")
    ] = False,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Measure the checks of `slipway monitor` instead.")
    ] = False,
) -> None:
    """Measure the champion gate's error rates: false alarms on equal models, misses on a loss as large as the margin.

    With --monitor, it measures the rate of false alarms on stable windows, and of detected faults.

    Example: `slipway power --count 100`

    Exit codes: 1 if an error rate exceeds its limit.
    """
    if monitor:
        from slipway.lab.monitoring_power import run
    elif canary:
        from slipway.lab.canary_power import run
    else:
        from slipway.lab.comparison_power import run

    raise typer.Exit(0 if run(count, processes) else 1)


@command
def drill(
    environment: EnvironmentOption,
    release: Annotated[
        str | None, typer.Option(help="Version to switch to. Default: the newest one that is not running.")
    ] = None,
    runs: int = typer.Option(10, min=1, help="Number of rounds."),
    requests: int = typer.Option(10_000, min=1, help="Minimum number of requests per round."),
    rate: float = typer.Option(300, min=1, help="Offered load, in requests per second."),
) -> None:
    """Promote, roll back and abort a canary repeatedly under load, and verify that no request fails.

    Example: `slipway drill --environment staging --runs 1`

    Exit codes: 1 if a request failed.
    """
    from slipway.lab import drill as job

    raise typer.Exit(job.run(environment, release, runs, requests, rate))


@command
def bench(
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = PAYLOADS,
    workers: int = typer.Option(1, min=1, help="Worker processes per server."),
    as_json: JsonOption = False,
) -> None:
    """Benchmark the service against vanilla BentoML, a minimal server with the same model, and an empty server.

    Example: `slipway bench --json`
    """
    from slipway.lab.bench import run

    run.main(payloads, workers, as_json=as_json)


@command
def audit() -> None:
    """Look up every locked package in PyPI's advisories. Needs network access. Writes results/audit.json.

    Example: `uv run --no-default-groups --group audit slipway audit`
    """
    from slipway.supply_chain import audit as job

    job.audit()


@command
def licences(
    group: Annotated[
        list[str] | None, typer.Option(help="Dependency group of pyproject.toml; may be repeated. Default: serve.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the license of every package that a release installs. Fails if one may not be distributed.

    Example: `slipway licences --group serve --group serve-skops`
    """
    from slipway.supply_chain import licenses as job

    job.licences(group or ["serve"], as_json=as_json)
