"""Segments: rows grouped by the values of each segment column, in which quality is measured.

The comparison on a pull request and the monitoring of production share this function, so a gated segment is also
monitored, under the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from slipway.schema.missing import is_missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

ALL: Final = "all"
"""The group that holds every row."""
MISSING = "missing"


def segments(features: pd.DataFrame, columns: Iterable[str], rows_min: int = 1) -> dict[str, np.ndarray]:
    """Return the positions of all rows as `all`, and of the rows of each value of each column as `column=value`.

    features: as `to_features` returns them, so that 1, 1.0 and True are the same value. Missing values form a separate
    segment. Segments with fewer than `rows_min` rows are omitted.
    """
    groups = {ALL: np.arange(len(features))}
    for column in columns:
        indices = features.groupby(column, sort=True, dropna=False).indices
        by_value = cast("dict[str | float, np.ndarray]", indices)  # features are strings and float32 only
        groups |= {f"{column}={_name(value)}": rows for value, rows in by_value.items() if len(rows) >= rows_min}
    return groups


def _name(value: str | float) -> str:
    """Return the name of a value: a category, or the shortest decimal that is this float32."""
    if is_missing(value):
        return MISSING
    if isinstance(value, str):
        return f'"{value}"' if value == MISSING else value
    return np.format_float_positional(np.float32(value), trim="-")
