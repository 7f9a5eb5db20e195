"""Rows whose label is known, by the segments in which quality is measured, and their labels as metrics take them."""

from __future__ import annotations

import numpy as np
import pandas as pd

import problem


def segments(rows: pd.DataFrame, minimum: int) -> dict[str, np.ndarray]:
    """Positions of all rows as `all`, and of each value of each column in `SEGMENTS` that has `minimum` rows."""
    groups = {"all": np.arange(len(rows))}
    for column in problem.SEGMENTS:
        for value, places in rows.groupby(column, sort=True).indices.items():
            if len(places) >= minimum:
                groups[f"{column}={value}"] = places
    return groups


def targets(rows: pd.DataFrame, classes: list) -> np.ndarray:
    """Labels as metrics take them."""
    if problem.TASK == "multiclass":
        return pd.Index(classes).get_indexer(rows[problem.TARGET])
    return rows[problem.TARGET].to_numpy(dtype=float)
