"""What makes a fork one's own, and keeps it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import on_panel

verb = on_panel("This fork")


@verb()
def new(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file with a row for each case.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    time: Annotated[str, typer.Option(help="Column that says when a row happened; it orders the data.")] = "",
    task: Annotated[
        str, typer.Option(help="`binary`, `multiclass` or `regression`; else what the target looks like.")
    ] = "",
    segments: Annotated[
        list[str] | None, typer.Option(help="Column by whose values quality is compared; may be repeated.")
    ] = None,
    separator: Annotated[str, typer.Option(help="Between two fields of CSV; `\\t` for a tab.")] = ",",
    decimal: Annotated[str, typer.Option(help="Decimal mark of numbers in CSV.")] = ".",
    thousands: Annotated[str, typer.Option(help="Mark between groups of three digits in CSV.")] = "",
    symbol: Annotated[
        list[str] | None, typer.Option(help="Removed from numbers in CSV, such as `%` or `$`; may be repeated.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of CSV, such as `cp1252`.")] = "utf-8",
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Spelling of a missing value, such as `NA` or `-999`; may be repeated."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="Column of CSV that is text, whatever it looks like; may be repeated.")
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(help="Number that is a value, although it looks like a missing one; may be repeated."),
    ] = None,
) -> None:
    """Put a problem inferred from a table in place of the sample's: code, tests, data, limits and a first model.

    Example: `slipway new ../penguins.csv --target Species`
    """
    from slipway.scaffold import new as job
    from slipway.scaffold.plan import Request
    from slipway.scaffold.source import Reading, dialect

    written = dialect(separator, decimal, thousands, tuple(symbol or ()), tuple(missing or ()), encoding)
    reading = Reading(written, tuple(text or ()), tuple(value or ()))
    job.new(table, Request(target, time, task, tuple(segments or ()), reading))


@verb()
def upgrade(
    reference: Annotated[str, typer.Argument(help="Branch or tag of the template.")] = "template/main",
) -> None:
    """Merge a later template into this fork; the problem, its data, its results and the README stay as they are.

    Example: `slipway upgrade template/main`
    """
    from slipway.scaffold import upgrade as job

    job.upgrade(reference)
