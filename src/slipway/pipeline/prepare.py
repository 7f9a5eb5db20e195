"""Stage `prepare`: train and test rows from the problem's data.

`python -m slipway.pipeline.prepare DATA OUT METRICS`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import problem
from slipway.errors import reported_by
from slipway.files import write_json
from slipway.schema.typed_rows import to_typed
from slipway.settings import read_settings

if TYPE_CHECKING:
    import pandas as pd


def prepare(data: Path, out: Path, metrics: Path) -> None:
    """Write the tables `train.parquet` and `test.parquet`; count rows without a target."""
    frame = problem.load(data)
    labeled = frame[frame[problem.TARGET].notna()]
    train, test = problem.split(labeled, read_settings().for_problem())
    write_tables(out, train, test)
    counts = {"train": len(train), "test": len(test), "unlabelled": len(frame) - len(labeled)}
    write_json(metrics, {"rows": counts, **_period(train, test)})


def write_tables(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Write the rows of a split into `folder`: fields with the types of `Row`, target and time.

    Raises UserError for a value that does not have the type of its field.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {"train": train, "test": test}.items():
        _table(rows).to_parquet(folder / f"{name}.parquet", index=False)


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    table = to_typed(rows, problem.Row)
    table[problem.TARGET] = rows[problem.TARGET].to_numpy(dtype=None if problem.TASK == "multiclass" else float)
    if problem.TIME_COLUMN:
        table[problem.TIME_COLUMN] = rows[problem.TIME_COLUMN]
    return table


def _period(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    if not problem.TIME_COLUMN:
        return {}
    times = {"train": train[problem.TIME_COLUMN], "test": test[problem.TIME_COLUMN]}
    return {"period": {name: [str(time.min()), str(time.max())] for name, time in times.items()}}


if __name__ == "__main__":
    with reported_by("prepare"):
        prepare(*map(Path, sys.argv[1:]))
