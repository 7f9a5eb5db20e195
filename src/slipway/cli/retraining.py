"""Commands for continuous training, as retrain.yaml and monitor.yaml run them."""

from __future__ import annotations

import typer

from slipway.cli.panels import EnvironmentOption, JsonOption, on_panel

command = on_panel("Continuous training")


@command
def retrain(
    trigger: str = typer.Option(
        "demand", help="Cause of the retraining: demand, schedule, new data, drift, decay or staleness."
    ),
    because: str = typer.Option("", help="Evidence to quote in the pull request. Default: none."),
) -> None:
    """Fetch new data, check it, train and compare. Writes the content of a pull request to build/proposal/.

    Pushes nothing. If there is nothing to do, it prints the reason and succeeds.

    Example: `slipway retrain --trigger decay --because "roc_auc 0.61, baseline 0.66"`
    """
    from slipway.retraining import run

    run.retrain(trigger, because)


@command
def propose() -> None:
    """Open or update the pull request of a retraining, through CML or gh, and start its checks.

    Example: `slipway propose`
    """
    from slipway.retraining import propose as job

    job.propose()


@command
def health(environment: EnvironmentOption = "production") -> None:
    """Open, update or close an environment's health issue, and start a retraining if `slipway monitor` requires one.

    Without a deployment or a token, it prints the reason and succeeds.

    Example: `slipway health --environment production`
    """
    from slipway.monitoring import health_issue as job

    job.health(environment)


@command
def replay(
    since: str = typer.Option(
        "", help="Day of the first deployment, such as 2013-10-01. Default: the day after data/ ends."
    ),
    label_days: float = typer.Option(1, min=0, help="Label delay, in days."),
    as_json: JsonOption = False,
) -> None:
    """Backtest three retraining policies day by day on the data that follows: never, by calendar, by monitoring.

    The pipeline trains every model, monitoring checks it, and the gates judge it.

    Example: `slipway replay`
    """
    from slipway.lab.backtest import run

    run.replay(since, label_days, as_json=as_json)
