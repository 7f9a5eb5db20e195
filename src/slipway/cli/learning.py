"""Verbs that use and improve a trained model: predictions of whole files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Json, on_panel

verb = on_panel("Learning from runs")


@verb()
def score(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Rows: .parquet or .csv.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Predictions: .parquet or .csv.")],
    skip_bad: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write broken rows and why there, and go on.")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Version in $SLIPWAY_STORE; else the model in model/.")] = None,
    environment: Annotated[str, typer.Option(help="The release that `staging` or `production` should run.")] = "",
    as_json: Json = False,
) -> None:
    """Predict every row of a file, as the service would; killed, the next run goes on.

    Example: `slipway score flights.parquet predictions.parquet --skip-bad broken.csv`
    """
    from slipway.score import verb as job

    job.main(source, target, skip_bad, release, environment, as_json=as_json)
