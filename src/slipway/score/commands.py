"""The command `slipway score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def score(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Rows: .parquet or .csv, or a folder of such files.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Predictions: .parquet or .csv, or a folder.")],
    skip_bad: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Skip invalid rows and write them here with the reason. Default: the first one ends its file.",
        ),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Version in $SLIPWAY_STORE, such as v0.1.0. Default: the model in model/.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Use the desired release of `staging` or `production`.")] = "",
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler for a folder. Default: processes of this machine."),
    ] = None,
    checks: Annotated[
        Literal["off", "warn", "fail"] | None,
        typer.Option(help="Whether findings on INPUT are ignored, warnings or errors. Default: `score.checks`."),
    ] = None,
) -> None:
    """Predict every row of a file or folder with the same code as the service. An interrupted run resumes.

    Example: `slipway score flights.parquet predictions.parquet --skip-bad broken.csv`
    """
    from slipway.score import released as job

    job.main(source, target, skip_bad, release, environment, scheduler, checks)
