"""The commands `slipway history`, `history diff` and `reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Number of newest releases to list, and of other runs.")] = 20,
) -> None:
    """List runs and releases with commit, data, parameters, metrics, champion and verdict, newest first.

    Reads git and the store.

    Example: `slipway history --json`
    """
    if context.invoked_subcommand is None:
        from slipway.history import listing as job

        job.show(limit)


def history_diff(
    before: Annotated[str, typer.Argument(help="Version, commit, or `here` for the work tree.")],
    after: Annotated[str, typer.Argument(help="Version, commit, or `here` for the work tree.")] = "here",
) -> None:
    """Compare two runs or releases: parameters, metrics, data, outputs, packages and commits.

    Example: `slipway history diff v0.1.0 v0.2.0`
    """
    from slipway.history import listing as job

    job.diff(before, after)


def track() -> None:
    """Mirror the newest run to MLflow at $MLFLOW_TRACKING_URI: parameters, metrics, loss curve, model and tags.

    Needs the dependency group `mlflow`. A run is mirrored once, into the experiment $MLFLOW_EXPERIMENT_NAME, which is
    named like the target by default.

    Example: `MLFLOW_TRACKING_URI=http://127.0.0.1:5000 slipway track`
    """
    from slipway.history import track as job

    job.main()


def reproduce(
    version: Annotated[str, typer.Argument(help="Release to rebuild, as listed by `slipway history`.")],
    folder: Annotated[Path, typer.Option(help="Scratch folder; replaced if it exists.")] = Path("build/reproduce"),
) -> None:
    """Rebuild a release from its commit and data, and compare the digests. Writes results/reproduce.json.

    Exit codes: 1 if the rebuilt release differs; the output lists the differences.

    Example: `slipway reproduce v0.1.0`
    """
    from slipway.history import listing as job

    raise typer.Exit(job.reproduce_release(version, folder))
