"""Verbs that use a model and learn from its runs: predictions of whole files, history, reproduction, search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import EXIT_CODES, Json, Verbs, app, on_panel

PANEL = "Learning from runs"
verb = on_panel(PANEL)


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


history = Verbs(invoke_without_command=True, epilog=EXIT_CODES)
app.add_typer(history, name="history", rich_help_panel=PANEL)


@history.callback()
def history_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest releases, and of other runs.")] = 20,
    as_json: Json = False,
) -> None:
    """List every run and release with code, data, parameters, metrics, champion and decision, from git and the store.

    Example: `slipway history --json`
    """
    if context.invoked_subcommand is None:
        from slipway.history import verbs as job

        job.show(limit, as_json=as_json)


@history.command("diff")
def history_diff(
    before: Annotated[str, typer.Argument(help="A version, a commit, or `here` for the work tree.")],
    after: Annotated[str, typer.Argument(help="The same.")] = "here",
    as_json: Json = False,
) -> None:
    """Compare two runs or releases: parameters, metrics, data, outputs, packages and commits.

    Example: `slipway history diff v0.1.0 v0.2.0`
    """
    from slipway.history import verbs as job

    job.diff(before, after, as_json=as_json)


@verb()
def reproduce(
    version: Annotated[str, typer.Argument(help="Of the release, as in `slipway history`.")],
    folder: Annotated[Path, typer.Option(help="Scratch folder; one that is there is replaced.")] = Path(
        "build/reproduce"
    ),
) -> None:
    """Make a release again from its commit and its data, and compare the digest; results/reproduce.json has the answer.

    Exit codes: 1 when it was made and differs; the lines say in what.

    Example: `slipway reproduce v0.1.0`
    """
    from slipway.history import verbs as job

    raise typer.Exit(job.make_again(version, folder))


@verb()
def tune(
    trials: Annotated[
        int | None, typer.Option(min=1, help="In all, those of earlier runs too; else params.yaml.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the best into params.yaml.")] = False,
) -> None:
    """Search for better parameters within the ranges of params.yaml, on training rows alone; killed, it goes on.

    Example: `slipway tune --trials 10 --apply`
    """
    from slipway.tune import verb as job

    job.tune(trials, apply=apply)
