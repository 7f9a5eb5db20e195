"""Commands for continuous training, as retrain.yaml runs them."""

from __future__ import annotations

import typer


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


def propose() -> None:
    """Open or update the pull request of a retraining, through CML or gh, and start its checks.

    Example: `slipway propose`
    """
    from slipway.retraining import propose as job

    job.propose()


def required_status() -> None:
    """Post the commit status `required` for a retraining, because GitHub ignores checks of a dispatched run.

    Identifies the run by the variables that pull-request-comment.yaml sets, and verifies it against GitHub.

    Example: `RUN_ID=1 HEAD_SHA=… slipway required-status`
    """
    from slipway.retraining import required_status as job

    job.post()
