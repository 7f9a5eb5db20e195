"""Commands that measure the engine: its gates, its checks and its service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.environment.options import EnvironmentOption
from slipway.loadtest import PAYLOADS


def replay(
    since: str = typer.Option(
        "", help="Day of the first deployment, such as 2013-10-01. Default: the day after data/ ends."
    ),
    label_days: float = typer.Option(1, min=0, help="Label delay, in days."),
) -> None:
    """Backtest three retraining policies day by day on the data that follows: never, by calendar, by monitoring.

    The pipeline trains every model, monitoring checks it, and the gates judge it.

    Example: `slipway replay`
    """
    from slipway.lab.backtest import run

    run.replay(since, label_days)


def faults(
    draws: int = typer.Option(200, min=0, help="Number of random draws of clean data; none of them may be blocked."),
    only_learned: Annotated[
        bool,
        typer.Option("--learned", help="Judge by the contract and the learned checks, without the problem's suite."),
    ] = False,
) -> None:
    """Inject dozens of faults into the newest data file, and show which ones the data checks block, and why.

    Example: `slipway faults --draws 200 --learned`
    """
    from slipway.lab import data_faults as job

    job.faults(Path("data"), draws, with_suites=not only_learned)


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


def mutants(
    seed: int = typer.Option(0, min=0, help="Seed of the draw; the nightly run uses its number."),
    count: int = typer.Option(25, min=1, help="Number of mutants per area."),
    area: Annotated[
        list[str] | None, typer.Option(help="Area to test: gates, evaluation, reconcile or report. Default: all.")
    ] = None,
    floor: float = typer.Option(0, min=0, max=1, help="Minimum score of each area."),
) -> None:
    """Change the engine's code in small ways, and show which changes its tests notice. Writes results/mutants/.

    Example: `slipway mutants --seed 7 --count 10 --area gates`

    Exit codes: 1 if an area's score is below --floor.
    """
    from slipway.errors import SettingError
    from slipway.lab.mutation import mutation_score as job

    if unknown := {*(area or ())} - job.AREAS.keys():
        raise SettingError(f"--area: {', '.join(sorted(unknown))} is none of {', '.join(job.AREAS)}")
    selected = {name: job.AREAS[name] for name in area or job.AREAS}
    raise typer.Exit(0 if job.run(selected, seed, count, floor) else 1)


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
    from slipway.environment.environment import Environment
    from slipway.lab import drill as job

    raise typer.Exit(job.run(Environment(environment), release, runs, requests, rate))


def bench(
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = PAYLOADS,
    workers: int = typer.Option(1, min=1, help="Worker processes per server."),
    peers: Annotated[
        bool, typer.Option("--peers", help="Compare with other servers instead: FastAPI, granian, LitServe, BentoML.")
    ] = False,
) -> None:
    """Benchmark the service against vanilla BentoML, a minimal server with the same model, and an empty server.

    Example: `slipway bench --json`
    """
    from slipway.lab.bench import peer_comparison, run

    if peers:
        peer_comparison.main(payloads, workers)
    else:
        run.main(payloads, workers)
