"""The position of reference rows in time: the day of each, the windows, and the rows before each window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import problem

if TYPE_CHECKING:
    import pandas as pd

PSEUDO_PERIODS = 20  # windows over which rows without a time are distributed
REFERENCE_WINDOWS_MAX = 80  # evenly spaced; covers all weeks and half weeks of the sample
PREVIOUS_WINDOWS = 4  # windows before a window, from which drift is measured


def days_of(frame: pd.DataFrame, days: float, seed: int) -> np.ndarray:
    """Return the day of each row, counted from the first row.

    Without `TIME_COLUMN`, rows are distributed over PSEUDO_PERIODS windows of `days`.
    """
    if not problem.TIME_COLUMN:
        return _distributed(len(frame), days, seed)
    time = frame[problem.TIME_COLUMN]
    day: np.ndarray = ((time - time.min()).dt.total_seconds() / 86_400).to_numpy()
    return day


def _distributed(rows: int, days: float, seed: int) -> np.ndarray:
    """Return evenly distributed days in random order, so that a window is a random sample of the rows."""
    order = np.random.default_rng(seed).permutation(rows)
    return order * (PSEUDO_PERIODS * days / rows)


def windows(day: np.ndarray, days: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the rows of each window, and those of its previous windows; the latter empty unless complete.

    Windows start at least half a window apart.
    """
    starts = np.arange(0, max(day.max() - days, 0) + days / 1e6, days / 2)
    starts = starts[np.unique(np.linspace(0, len(starts) - 1, REFERENCE_WINDOWS_MAX).astype(int))]
    rows_of = [np.flatnonzero((day >= start) & (day < start + days)) for start in starts]
    span = PREVIOUS_WINDOWS * days
    previous = [
        np.flatnonzero((day >= start - span) & (day < start)) if start >= span else np.array([], int)
        for start in starts
    ]
    occupied = [place for place, rows in enumerate(rows_of) if len(rows)]
    return [rows_of[place] for place in occupied], [previous[place] for place in occupied]
