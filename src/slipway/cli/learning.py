"""Commands on models and runs: batch prediction, history, reproduction and hyperparameter search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.panels import EXIT_CODES, CommandGroup, JsonOption, app, on_panel

PANEL = "Models and experiments"
command = on_panel(PANEL)


@command
def score(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Rows: .parquet or .csv.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Predictions: .parquet or .csv.")],
    skip_bad: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Skip invalid rows and write them with the reason. Default: stop at the first one."
        ),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Version in $SLIPWAY_STORE, such as v0.1.0. Default: the model in model/.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Use the desired release of `staging` or `production`.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Predict every row of a file with the same code as the service. An interrupted run resumes.

    Example: `slipway score flights.parquet predictions.parquet --skip-bad broken.csv`
    """
    from slipway.score import commands as job

    job.main(source, target, skip_bad, release, environment, as_json=as_json)


history = CommandGroup(invoke_without_command=True, epilog=EXIT_CODES)
app.add_typer(history, name="history", rich_help_panel=PANEL)


@history.callback()
def history_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Number of newest releases to list, and of other runs.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List runs and releases with commit, data, parameters, metrics, champion and verdict, newest first.

    Reads git and the store.

    Example: `slipway history --json`
    """
    if context.invoked_subcommand is None:
        from slipway.history import commands as job

        job.show(limit, as_json=as_json)


@history.command("diff")
def history_diff(
    before: Annotated[str, typer.Argument(help="Version, commit, or `here` for the work tree.")],
    after: Annotated[str, typer.Argument(help="Version, commit, or `here` for the work tree.")] = "here",
    as_json: JsonOption = False,
) -> None:
    """Compare two runs or releases: parameters, metrics, data, outputs, packages and commits.

    Example: `slipway history diff v0.1.0 v0.2.0`
    """
    from slipway.history import commands as job

    job.diff(before, after, as_json=as_json)


@command
def reproduce(
    version: Annotated[str, typer.Argument(help="Release to rebuild, as listed by `slipway history`.")],
    folder: Annotated[Path, typer.Option(help="Scratch folder; replaced if it exists.")] = Path("build/reproduce"),
) -> None:
    """Rebuild a release from its commit and data, and compare the digests. Writes results/reproduce.json.

    Exit codes: 1 if the rebuilt release differs; the output lists the differences.

    Example: `slipway reproduce v0.1.0`
    """
    from slipway.history import commands as job

    raise typer.Exit(job.reproduce_release(version, folder))


@command
def tune(
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Total number of trials, earlier runs included. Default: tune.trials of params.yaml."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the best parameters into params.yaml.")] = False,
) -> None:
    """Search for better parameters in the ranges of params.yaml, on training rows only. An interrupted run resumes.

    Example: `slipway tune --trials 10 --apply`
    """
    from slipway.tune import commands as job

    job.tune(trials, apply=apply)
