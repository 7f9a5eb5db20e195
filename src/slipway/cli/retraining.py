"""Continuous training: what retrain.yaml and monitor.yaml call."""

from __future__ import annotations

import typer

from slipway.cli.verbs import Environment, Json, on_panel

verb = on_panel("After a deployment")


@verb()
def retrain(
    trigger: str = typer.Option(
        "demand", help="What asks for it: demand, schedule, new data, drift, decay or staleness."
    ),
    because: str = typer.Option("", help="The evidence behind it, in words; the pull request quotes it."),
) -> None:
    """Bring new data in, check it, train and compare, and leave what a pull request would change in build/proposal/.

    Nothing is pushed. Where there is nothing to do, it says why, and succeeds.

    Example: `slipway retrain --trigger decay --because "roc_auc 0.61, promised 0.66"`
    """
    from slipway.retraining import run

    run.retrain(trigger, because)


@verb()
def propose() -> None:
    """Open the pull request of a retraining, by CML or else by gh, or update the one that is open; start its checks.

    Example: `slipway propose`
    """
    from slipway.retraining import propose as job

    job.propose()


@verb()
def health(environment: Environment = "production") -> None:
    """Keep one issue up to date about an environment that `slipway monitor` found not well; start a retraining.

    Where nothing is deployed, or no token is set, it says so, and succeeds.

    Example: `slipway health --environment production`
    """
    from slipway import health as job

    job.health(environment)


@verb()
def replay(
    since: str = typer.Option("", help="Day of the first deployment; else the day after the newest row in data/."),
    label_days: float = typer.Option(1, help="After how many days the label of a row is known."),
    as_json: Json = False,
) -> None:
    """Live through the data that is yet to come, day by day, with and without continuous training, and compare.

    Every model is trained by the stages of the pipeline, watched by the monitoring, and judged by the gates.

    Example: `slipway replay`
    """
    from slipway.replay import run

    run.replay(since, label_days, as_json=as_json)
