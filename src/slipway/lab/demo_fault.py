"""A unit error in the newest data, as a careless export makes it: `python -m slipway.lab.demo_fault data`.

Run it in a throwaway clone. It fetches the next batch of data if there is one, and multiplies a column by 1000: a
number for which `Row` has an upper limit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import problem
from slipway import output
from slipway.checks import files
from slipway.errors import DataError
from slipway.lab import data_mutants
from slipway.schema.fields import fields

UNIT_FACTOR = 1000


def break_newest(data_dir: Path) -> str:
    """Inject a unit error into the newest file of `data_dir`, and return a line that describes it.

    Raises UserError if the format of the file is unknown, or if no column would exceed its limit.
    """
    path = problem.next_batch(data_dir) or data_dir / files.listed(data_dir)[-1]
    table = data_mutants.read(path)
    column = next(
        (name for name, limit in _limits().items() if name in table and table[name].max() * UNIT_FACTOR > limit), ""
    )
    if not column:
        raise DataError(f"{path}: no column exceeds its `le` in Row when multiplied by {UNIT_FACTOR}; add such a limit")
    data_mutants.WRITERS[path.suffix](table.assign(**{column: table[column] * UNIT_FACTOR}), path)
    return f"{path.name} with {column} times {UNIT_FACTOR} in all {len(table):,} rows"


def _limits() -> dict[str, float]:
    """Return the upper limit of each column of `Row`, largest first, where a unit error is most likely."""
    limits = {name: field.maximum for name, field in fields(problem.Row).items() if field.maximum is not None}
    return dict(sorted(limits.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    output.result_line(break_newest(Path(sys.argv[1])))
