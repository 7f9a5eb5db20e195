"""The position of reference rows in time: the day of each, its window, and the rows before each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch.batch_reference import WINDOW_ROWS_MIN

if TYPE_CHECKING:
    import pandas as pd

PSEUDO_PERIODS = 20  # windows over which rows without a time are distributed
REFERENCE_WINDOWS_MIN = 16  # shorter than the live window where the reference has fewer; the intervals are then wider
REFERENCE_WINDOWS_MAX = 40  # evenly spaced; covers all weeks of the sample
PREVIOUS_WINDOWS = 4  # windows before a window, from which drift is measured


@dataclass(frozen=True)
class Spans:
    """Rows of the reference, ordered by day."""

    window: np.ndarray
    """Number of the window of each row, from 0 in order of time, and -1 for none, shape (n,)."""
    previous: list[np.ndarray]
    """Places of the rows of the previous windows, by window; empty unless complete."""
    recent: np.ndarray
    """Places of the newest rows, as many windows of them."""
    days: float
    """Length of a window, longer than requested where that would have too few rows."""

    @classmethod
    def of(cls, day: np.ndarray, days: float) -> Spans:
        """Divide rows of ascending `day` into windows of `days` at most."""
        end = float(day.max())
        length = max(min(days, end / REFERENCE_WINDOWS_MIN), end * WINDOW_ROWS_MIN / len(day))
        own = (day // length).astype(int)
        occupied = np.flatnonzero(np.bincount(own) >= WINDOW_ROWS_MIN)
        places = np.linspace(0, len(occupied) - 1, min(len(occupied), REFERENCE_WINDOWS_MAX)).astype(int)
        chosen = occupied[places]
        window = np.full(own.max() + 1, -1)
        window[chosen] = np.arange(len(chosen))
        span = PREVIOUS_WINDOWS * length
        starts = chosen * length
        previous = [np.flatnonzero((day >= start - span) & (day < start) & (start >= span)) for start in starts]
        return cls(window[own], previous, np.flatnonzero(day > end - span), length)


def days_of(frame: pd.DataFrame, days: float, seed: int) -> np.ndarray:
    """Return the day of each row, counted from the first row.

    Without `TIME_COLUMN`, rows are distributed over PSEUDO_PERIODS windows of `days` in random order, so that a window
    is a random sample of the rows.
    """
    if not problem.TIME_COLUMN:
        order = np.random.default_rng(seed).permutation(len(frame))
        return order * (PSEUDO_PERIODS * days / len(frame))
    time = frame[problem.TIME_COLUMN]
    day: np.ndarray = ((time - time.min()).dt.total_seconds() / 86_400).to_numpy()
    return day
