"""Commands that monitor production."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway import output
from slipway.environment.options import EnvironmentOption

LabelsOption = Annotated[Path, typer.Option(help="Folder that `problem.labels` reads new labels from.")]


def monitor(
    environment: EnvironmentOption,
    window: Annotated[
        float | None,
        typer.Option(min=0, help="Length of the window, in days. Default: monitoring.window_days of params.yaml."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Start of the window, UTC, such as 2013-10-01. Default: one window length before its end."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End of the window, UTC. Default: now.")] = None,
    labels: LabelsOption = Path("data"),
) -> None:
    """Check an environment's traffic and predictions for drift, decay and faults. Writes results/monitor.json.

    Collects the prediction log, joins the labels that have arrived, runs every check and decides whether to retrain.
    The dashboard is results/monitor/index.html.

    Example: `slipway monitor --environment production --window 7`

    Exit codes: 1 if a check does not pass.
    """
    from slipway.environment.environment import Environment
    from slipway.monitoring import job

    raise typer.Exit(job.main(Environment(environment), job.WindowOptions(window, since, until, labels)))


def collect(environment: EnvironmentOption) -> None:
    """Copy an environment's prediction log and request counters to $SLIPWAY_COLLECTED.

    Run it on the serving machine on a schedule, such as hourly, so that `slipway monitor` can run elsewhere.
    `slipway monitor` also collects before its checks.

    Example: `slipway collect --environment production`
    """
    from slipway.environment.environment import Environment
    from slipway.monitoring import job

    summary = job.only_collect(Environment(environment))
    output.result({"summary": summary}, summary)


def health(environment: EnvironmentOption = "production") -> None:
    """Open, update or close an environment's health issue, and start a retraining if `slipway monitor` requires one.

    Without a deployment or a token, it prints the reason and succeeds.

    Example: `slipway health --environment production`
    """
    from slipway.environment.environment import Environment
    from slipway.monitoring import health_issue as job

    job.health(Environment(environment))


def experiment_status(environment: EnvironmentOption, labels: LabelsOption = Path("data")) -> None:
    """Count the users and outcomes of the running experiment. No outcome is shown before the decision.

    Example: `slipway experiment status --environment production`
    """
    from slipway.environment.environment import Environment
    from slipway.monitoring import user_experiment as job

    job.status(Environment(environment), labels)


def experiment_decide(environment: EnvironmentOption, labels: LabelsOption = Path("data")) -> None:
    """Decide the experiment once it is complete, and end it by a commit. Writes results/experiment.json.

    It refuses before each side has the number of users that was fixed at the start.

    Example: `slipway experiment decide --environment production`

    Exit codes: 1 if the release is not better.
    """
    from slipway.environment.environment import Environment
    from slipway.monitoring import user_experiment as job

    raise typer.Exit(job.decide(Environment(environment), labels))
