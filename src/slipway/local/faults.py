"""Break the newest data as a careless export would: `python -m slipway.local.faults data`.

Run in a clone whose data may be spoiled. The next batch is fetched if there is one, and one of its columns, a number
for which `Row` names an upper limit, comes in a unit a thousand times smaller than the contract says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import problem
from slipway.errors import UserError

FACTOR = 1000


def break_newest(data_dir: Path) -> str:
    """Spoil the newest file in `data_dir`, and tell in a line what was done.

    Raises UserError when the data is not Parquet, or holds no number with a limit.
    """
    path = problem.next_batch(data_dir) or max(data_dir.iterdir())
    if path.suffix != ".parquet":
        raise UserError(f"{path}: not Parquet; the demo can only spoil Parquet")
    table = pd.read_parquet(path)
    column = next((name for name in _limited() if name in table), None)
    if column is None:
        raise UserError(f"{path}: no column with a `le` in Row; the demo finds nothing to spoil")
    table.assign(**{column: table[column] * FACTOR}).to_parquet(path, index=False)
    return f"{path.name} with {column} times {FACTOR} in all {len(table):,} rows"


def _limited() -> list[str]:
    """Columns of `Row` with an upper limit, the one with the widest range first: a unit error is most likely there."""
    properties = problem.Row.model_json_schema()["properties"]
    options = {name: [field, *field.get("anyOf", [])] for name, field in properties.items()}
    limits = {name: max(option.get("maximum", 0) for option in found) for name, found in options.items()}
    return sorted((name for name, limit in limits.items() if limit), key=lambda name: -limits[name])


if __name__ == "__main__":
    print(break_newest(Path(sys.argv[1])))
