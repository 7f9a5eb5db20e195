"""Names of the columns that the prediction log adds to those of `Row`.

A name of a Python class has no dot, so no column of `Row`, and no target, has one of these names.
"""

from __future__ import annotations

import problem

PREFIX = "log."
RELEASE, TIME, PREDICTION = f"{PREFIX}release", f"{PREFIX}time", f"{PREFIX}prediction"
KEY = (f"{PREFIX}request_id", f"{PREFIX}index")
"""The key of a logged row. The client chooses the first part with the header X-Request-ID."""
LOGGED = (RELEASE, TIME, *KEY, PREDICTION)


UNIT = f"{PREFIX}unit"
"""Experiment and pseudonym of the user; missing outside of an experiment by user."""


def label_key() -> dict[str, str]:
    """Return the columns of `problem.labels` that identify a row, each with its column among live rows.

    In `LABEL_KEY`, `request_id` and `index` are those of the log, unless `Row` has a column of that name.
    """
    logged = {column.removeprefix(PREFIX): column for column in KEY}
    names = getattr(problem, "LABEL_KEY", None)
    if names is None:
        return dict([next(iter(logged.items()))])
    return {name: name if name in problem.Row.model_fields else logged.get(name, name) for name in names}
