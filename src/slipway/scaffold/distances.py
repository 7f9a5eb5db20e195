"""Distances between two samples of a column, and the distance that chance alone can cause."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

NEW_RATIO = 0.3  # last fraction of a single file, compared with the rows before it
DISJOINT_DISTANCE_MIN = 0.95  # two periods at this distance have almost no values in common
FALSE_ALARM_RATE = 0.001  # probability that noise exceeds a limit, for all columns together


def noise(new: int, old: int, columns: int) -> float:
    """Return the Kolmogorov-Smirnov distance that the maximum over `columns` exceeds at FALSE_ALARM_RATE by chance."""
    return math.sqrt(-math.log(FALSE_ALARM_RATE / (2 * columns)) / 2 * (new + old) / (new * old))


def kolmogorov(new: pd.Series, old: pd.Series) -> float:
    """Return the Kolmogorov-Smirnov distance, the largest difference of the two distribution functions."""
    few, many = sorted((np.sort(side.dropna().to_numpy(dtype=float)) for side in (new, old)), key=len)
    if not len(few):
        return 0.0
    # The function of `few` is constant between its values, so the difference is largest at one of them or just before.
    above = np.arange(1, len(few) + 1) / len(few) - np.searchsorted(many, few, side="right") / len(many)
    below = np.searchsorted(many, few, side="left") / len(many) - np.arange(len(few)) / len(few)
    return float(max(above.max(), below.max()))


def cramer(new: pd.Series, old: pd.Series) -> float:
    """Return Cramér's V of category and side: 0 for equal frequencies, 1 for disjoint categories."""
    counts = pd.concat([new.value_counts(), old.value_counts()], axis=1).fillna(0).to_numpy(dtype=float)
    if len(counts) < 2 or not counts.sum(axis=0).all():
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return math.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum())
