"""How the rows of a reference lie in time: the day of each, the windows, and what was before each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import problem

if TYPE_CHECKING:
    import pandas as pd

CHUNKS = 20  # parts that rows without a time are dealt into, as if each were a period
WINDOWS = 80  # of the reference that are measured at most, evenly spread; all of the sample's weeks and half weeks
BEFORE = 4  # windows before one, against which it has moved


def days_of(frame: pd.DataFrame, days: float, seed: int) -> np.ndarray:
    """Day of each row, from that of the first; without `TIME_COLUMN`, dealt to as many as CHUNKS windows have."""
    if not problem.TIME_COLUMN:
        return _dealt(len(frame), days, seed)
    time = frame[problem.TIME_COLUMN]
    return ((time - time.min()).dt.total_seconds() / 86_400).to_numpy()


def _dealt(rows: int, days: float, seed: int) -> np.ndarray:
    """Days for rows of which nobody knows the time: dealt evenly, so that a window is a random part of them."""
    order = np.random.default_rng(seed).permutation(rows)
    return order * (CHUNKS * days / rows)


def windows(day: np.ndarray, days: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rows of each window, half a window apart or more, and of the time before each; empty where not all is there."""
    starts = np.arange(0, max(day.max() - days, 0) + days / 1e6, days / 2)
    starts = starts[np.unique(np.linspace(0, len(starts) - 1, WINDOWS).astype(int))]
    found = [np.flatnonzero((day >= start) & (day < start + days)) for start in starts]
    before = [
        np.flatnonzero((day >= start - BEFORE * days) & (day < start)) if start >= BEFORE * days else np.array([], int)
        for start in starts
    ]
    kept = [place for place, rows in enumerate(found) if len(rows)]
    return [found[place] for place in kept], [before[place] for place in kept]
