"""The segments in which quality is measured: rows grouped by the values of each segment column.

The comparison on a pull request and the monitoring of production both group by this function, so a segment that is
gated is also watched, under the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

ALL = "all"
"""The group that holds every row."""
MISSING = "missing"


def segments(features: pd.DataFrame, columns: Iterable[str], rows_min: int = 1) -> dict[str, np.ndarray]:
    """Return the positions of all rows as `all`, and of the rows of each value of each column as `column=value`.

    features: as `to_features` makes them, so that 1, 1.0 and True are one value. Missing values form a segment of
    their own. Segments with fewer than `rows_min` rows are left out.
    """
    groups = {ALL: np.arange(len(features))}
    for column in columns:
        by_value = features.groupby(column, sort=True, dropna=False).indices
        groups |= {f"{column}={_name(value)}": rows for value, rows in by_value.items() if len(rows) >= rows_min}
    return groups


def _name(value: str | float) -> str:
    """Return the name of a value: a category, or the shortest decimal that is this float32."""
    if isinstance(value, str):
        return f'"{value}"' if value == MISSING else value or MISSING
    return MISSING if np.isnan(value) else np.format_float_positional(np.float32(value), trim="-")
