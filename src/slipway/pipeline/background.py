"""Stage `background`: training rows that a release carries, and its service compares a row with to explain it.

`python -m slipway.pipeline.background PREPARED OUT`
"""

from __future__ import annotations

import sys
from pathlib import Path

import problem
from slipway.errors import DataError, reported_by
from slipway.files import write_json
from slipway.pipeline.tables import drawn, read_frames, row_count, take
from slipway.schema.fields import fields
from slipway.schema.typed_rows import records, to_typed
from slipway.settings import read_settings


def background(prepared: Path, out: Path) -> None:
    """Write a sample of the training rows as columns, without those that `Row` redacts.

    Raises UserError where there are fewer than two rows: a standard error needs two.
    """
    settings = read_settings()
    names = [field.name for field in fields(problem.Row).values() if not field.redact]
    train = prepared / "train.parquet"
    rows = min(settings.serving.explain.background_rows, row_count(train))
    if rows < 2:
        raise DataError(f"{train}: has {rows} rows; an explanation needs at least two")
    places = drawn(row_count(train), rows, settings.seed)
    sample = to_typed(take(read_frames(train, list(fields(problem.Row))), places), problem.Row)[names]
    write_json(out, {"columns": _columns(records(sample), names)})


def _columns(rows: list[dict[str, object]], names: list[str]) -> dict[str, list[object]]:
    return {name: [row[name] for row in rows] for name in names}


if __name__ == "__main__":
    with reported_by("background"):
        background(*map(Path, sys.argv[1:]))
