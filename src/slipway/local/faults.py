"""Break the newest data as a careless export would: `python -m slipway.local.faults data`.

Run in a clone whose data may be spoiled. The next batch is fetched if there is one, and one of its columns, a number
for which `Row` names an upper limit, comes in a unit a thousand times smaller than the contract says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import problem
from slipway.checks import files, mutants
from slipway.errors import UserError
from slipway.fields import fields

FACTOR = 1000


def break_newest(data_dir: Path) -> str:
    """Spoil the newest file in `data_dir`, and tell in a line what was done.

    Raises UserError when its format is unknown, or when it holds no number that leaves its limits.
    """
    path = problem.next_batch(data_dir) or data_dir / files.listed(data_dir)[-1]
    table = mutants.read(path)
    column = next(
        (name for name, limit in _limits().items() if name in table and table[name].max() * FACTOR > limit), ""
    )
    if not column:
        raise UserError(f"{path}: no column with a `le` in Row that a factor of {FACTOR} leaves; nothing to spoil")
    mutants.WRITERS[path.suffix](table.assign(**{column: table[column] * FACTOR}), path)
    return f"{path.name} with {column} times {FACTOR} in all {len(table):,} rows"


def _limits() -> dict[str, float]:
    """Upper limits of the columns of `Row`, the widest range first: a unit error is most likely there."""
    limits = {name: field["maximum"] for name, field in fields(problem.Row).items() if "maximum" in field}
    return dict(sorted(limits.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    print(break_newest(Path(sys.argv[1])))
