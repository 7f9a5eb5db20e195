"""Faults of some rows: of one segment, of a random fraction, or of a range of values. `data_mutants` lists them.

The label loses part of its relation, and a column some of its values, while totals hardly change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.evaluation.segments import ALL, segments

if TYPE_CHECKING:
    from slipway.lab.data_mutants import Original

EXCHANGED_RATIO = 0.5  # fraction of rows with exchanged codes
CLIPPED_QUANTILE = 0.2  # of the values, below which a column is clipped


def shuffled(original: Original, chosen: np.ndarray) -> pd.DataFrame:
    """Return the rows with the outcomes of the `chosen` ones permuted among them; chosen: shape (n,)."""
    places = np.arange(len(chosen))
    places[chosen] = original.rng.permutation(places[chosen])
    return original.outcomes_of(places)


def segment(original: Original) -> np.ndarray:
    """Return which rows belong to the segment with the most rows, or to the first half where there are no segments."""
    groups = segments(original.loaded, problem.SEGMENTS[:1])
    own = [rows for name, rows in groups.items() if name != ALL]
    chosen = np.zeros(len(original.raw), dtype=bool)
    chosen[max(own, key=len) if own else np.arange(len(chosen) // 2)] = True
    return chosen


def inverted(original: Original, ratio: float) -> pd.DataFrame:
    """Return the rows with the outcomes of their opposite in a fraction `ratio` of them."""
    return original.outcomes_of(np.where(original.some(ratio), original.opposite(), np.arange(len(original.raw))))


def above(original: Original) -> np.ndarray:
    """Return for each row the position of the row above it; the first row has its own."""
    return np.maximum(np.arange(len(original.raw)) - 1, 0)


def stale(original: Original, ratio: float) -> pd.DataFrame:
    """Return the rows with everything but the time taken from the row above, in a fraction `ratio` of them."""
    places = np.where(original.some(ratio), above(original), np.arange(len(original.raw)))
    names = [name for name in original.raw if name != problem.TIME_COLUMN]
    return original.raw.assign(**{str(name): original.raw[name].take(places).to_numpy() for name in names})


def late(original: Original, values: pd.Series) -> pd.Series:
    """Return for each row the value of the row above."""
    return values.take(above(original)).set_axis(values.index)


def exchanged(original: Original, values: pd.Series) -> pd.Series:
    """Return the two most frequent values exchanged, in half of the rows."""
    first, second = values.value_counts().index[:2]
    return values.mask(original.some(EXCHANGED_RATIO), values.replace([first, second], [second, first]))


def clipped_below(_: Original, values: pd.Series) -> pd.Series:
    """Return the values, the lowest fifth of them raised to its highest."""
    return values.clip(lower=float(values.quantile(CLIPPED_QUANTILE)))
