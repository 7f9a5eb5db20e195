"""Commands that set up a fork and keep it up to date with the template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    table: Annotated[
        Path, typer.Argument(help="CSV or Parquet file with one example per row, or a folder of such files.")
    ],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    time: Annotated[
        str, typer.Option(help="Timestamp column that orders the rows. Default: none, and the rows are shuffled.")
    ] = "",
    task: Annotated[
        str, typer.Option(help="`binary`, `multiclass` or `regression`. Default: inferred from the target.")
    ] = "",
    segments: Annotated[
        list[str] | None, typer.Option(help="Column whose values define the segments of the gates; may be repeated.")
    ] = None,
    separator: Annotated[str, typer.Option(help="Field separator of the CSV file; `\\t` for a tab.")] = ",",
    decimal: Annotated[str, typer.Option(help="Decimal separator of the CSV file.")] = ".",
    thousands: Annotated[str, typer.Option(help="Thousands separator of the CSV file. Default: none.")] = "",
    symbol: Annotated[
        list[str] | None,
        typer.Option(help="Symbol to strip from numbers of the CSV file, such as `%` or `$`; may be repeated."),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of the CSV file, such as `cp1252`.")] = "utf-8",
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Additional marker of a missing value, such as `NA` or `-999`; may be repeated."),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="Column of the CSV file to read as text; may be repeated. Default: inferred."),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(help="Number to keep as a value although it resembles a missing-value marker; may be repeated."),
    ] = None,
) -> None:
    """Replace the sample problem with one inferred from a table: code, tests, data, limits and a first model.

    Example: `slipway new ../penguins.csv --target Species`
    """
    from slipway import output

    output.progress(f"new: reading {table}")
    from slipway.scaffold import new as job
    from slipway.scaffold.plan import ForkRequest
    from slipway.scaffold.source import ReadOptions, dialect

    written = dialect(separator, decimal, thousands, tuple(symbol or ()), tuple(missing or ()), encoding)
    options = ReadOptions(written, tuple(text or ()), tuple(value or ()))
    job.new(table, ForkRequest(target, time, task, tuple(segments or ()), options))


def upgrade(
    reference: Annotated[str, typer.Argument(help="Branch or tag of the template.")] = "template/main",
) -> None:
    """Merge a newer template into this fork. Your problem, data, results and README stay unchanged.

    Example: `slipway upgrade template/main`
    """
    from slipway.scaffold import upgrade as job

    job.upgrade(reference)
