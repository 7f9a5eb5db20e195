"""How far two samples of one column are apart, and how far chance alone may bring them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

LAST_PART = 0.3  # of a single file, which is held against the part before it
ANOTHER = 0.95  # distance from which two periods have next to nothing in common
FALSE_ALARM = 0.001  # chance that noise alone passes a limit, for all columns together


def noise(new: int, old: int, columns: int) -> float:
    """Kolmogorov-Smirnov distance that the largest of `columns` equal distributions passes once in a thousand times."""
    return math.sqrt(-math.log(FALSE_ALARM / (2 * columns)) / 2 * (new + old) / (new * old))


def kolmogorov(new: pd.Series, old: pd.Series) -> float:
    """Largest distance of the two distribution functions."""
    new, old = (np.sort(side.dropna().to_numpy(dtype=float)) for side in (new, old))
    if not len(new) or not len(old):
        return 0.0
    every = np.concatenate([new, old])
    below = [np.searchsorted(side, every, side="right") / len(side) for side in (new, old)]
    return float(np.abs(below[0] - below[1]).max())


def cramer(new: pd.Series, old: pd.Series) -> float:
    """Cramér's V of category and side: 0 where both have the same shares, 1 where they share no category."""
    counts = pd.concat([new.value_counts(), old.value_counts()], axis=1).fillna(0).to_numpy(dtype=float)
    if len(counts) < 2 or not counts.sum(axis=0).all():
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return math.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum())
