"""The command `slipway tune`."""

from __future__ import annotations

from typing import Annotated

import typer


def tune(
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Total number of trials, earlier runs included. Default: tune.trials of params.yaml."),
    ] = None,
    storage: Annotated[
        str,
        typer.Option(
            envvar="SLIPWAY_TUNE_STORAGE",
            metavar="URL",
            help="Storage of Optuna at which several machines search one study. Default: a file in build/tune/.",
        ),
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Write the best parameters into params.yaml.")] = False,
) -> None:
    """Search for better parameters in the ranges of params.yaml, on training rows only. An interrupted run resumes.

    Example: `slipway tune --trials 10 --apply`
    """
    from slipway.tune import comparison as job

    job.tune(trials, storage, apply=apply)
