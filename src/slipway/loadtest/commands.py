"""The command `slipway loadtest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.loadtest import PAYLOADS


def loadtest(
    environment: str = typer.Option("", help="`staging` or `production`; its gateway is the target."),
    url: str = typer.Option("", help="URL of a service to test instead of an environment."),
    against: str = typer.Option(
        "", help="Environment or URL to compare with, in alternating runs; the candidate may not be slower."
    ),
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = PAYLOADS,
) -> None:
    """Run an open-loop load test at the rate in params.yaml. Writes results/loadtest.json.

    Example: `slipway loadtest --environment staging --against production`

    Exit codes: 1 if a gate fails or the run is invalid.
    """
    from slipway.loadtest import loadtest as job

    raise typer.Exit(job.main(environment, url, against, payloads))
