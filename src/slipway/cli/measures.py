"""How good the gates, the service and the packages are, as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Environment, Json, on_panel

verb = on_panel("Proofs and measures")


@verb()
def faults(draws: int = typer.Option(200, help="Random draws of clean data that may not be blocked.")) -> None:
    """Spoil the newest data file in dozens of ways, and show which faults the data checks block, and why.

    Example: `slipway faults --draws 200`
    """
    from slipway.checks import faults as job

    job.faults(Path("data"), draws)


@verb()
def power(
    count: int = typer.Option(500, help="Draws of the test rows for each question."),
    processes: int = typer.Option(2, help="Processes side by side."),
    canary: Annotated[bool, typer.Option("--canary", help="The gate of the canary, on simulated requests.")] = False,
    monitor: Annotated[bool, typer.Option("--monitor", help="The questions of `slipway monitor`.")] = False,
) -> None:
    """Measure how often the champion gate is wrong: between equal models, and on a loss of the margin's size.

    With --monitor: how often an alarm about stable windows of later rows is false, and how many faults are named.

    Example: `slipway power --count 100`

    Exit codes: 1 when it is wrong more often than it may be.
    """
    if monitor:
        from slipway.monitoring import power as job
    elif canary:
        from slipway.delivery import canary_power as job
    else:
        from slipway import power as job

    raise typer.Exit(0 if job.run(count, processes) else 1)


@verb()
def drill(
    environment: Environment,
    release: Annotated[str | None, typer.Option(help="Version to change to; else the newest other one.")] = None,
    runs: int = typer.Option(10, help="How often."),
    requests: int = typer.Option(10_000, help="Of each run, at least."),
    rate: float = typer.Option(300, help="Requests/s."),
) -> None:
    """Promote, roll back and call off a canary under load, again and again: no request may fail.

    Example: `slipway drill --environment staging --runs 1`

    Exit codes: 1 when a request failed.
    """
    from slipway.delivery import verbs

    raise typer.Exit(verbs.run_drill(environment, release, runs, requests, rate))


@verb()
def bench(
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = Path(
        "build/prepared/test.parquet"
    ),
    workers: int = typer.Option(1, help="Processes of each server."),
    as_json: Json = False,
) -> None:
    """Measure the service in turns with a stock one, a bare server with the same model, and one that does nothing.

    Example: `slipway bench --json`
    """
    from slipway.bench import run

    run.main(payloads, workers, as_json=as_json)


@verb()
def audit() -> None:
    """Look up every locked package in PyPI's advisories, and record it in results/audit.json. Needs the network.

    Example: `uv run --no-default-groups --group audit slipway audit`
    """
    from slipway import audit as job

    job.audit()


@verb()
def licences(
    group: Annotated[list[str] | None, typer.Option(help="Dependency group; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """List the licence of each package that a release installs; fails when one may not be in a release.

    Example: `slipway licences --group serve --group serve-skops`
    """
    from slipway import licences as job

    job.licences(group or ["serve"], as_json=as_json)
