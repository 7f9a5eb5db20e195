"""The support of a reference: the combinations of two columns that it holds.

A new season brings combinations that no model has seen, on which its errors mean nothing. So the error of a row counts
only where the reference holds the combination of the two columns that a model relies on most. The column in which a
fault leads outside is judged by its own model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CELLS = 16  # parts of the range of each of the two columns
OCCUPIED_RATIO = 0.0005  # fraction of the reference's rows that a cell needs


@dataclass(frozen=True)
class Support:
    """Cells of two columns that the reference occupies."""

    low: np.ndarray
    width: np.ndarray
    is_occupied: np.ndarray
    """Shape (CELLS + 2, CELLS + 2): cells below, within and above the range; the last index stands for missing too."""

    @classmethod
    def of(cls, pair: np.ndarray) -> Support:
        """Return the support of the values of two columns in the reference, shape (n, 2)."""
        filled = np.where(np.isnan(pair).all(axis=0), 0.0, pair)
        low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
        width = np.where(high > low, (high - low) / CELLS, 1.0)
        empty = cls(low, width, np.zeros((CELLS + 2, CELLS + 2), dtype=bool))
        counts = np.bincount(empty._cell(pair), minlength=(CELLS + 2) ** 2)
        required = max(1.0, OCCUPIED_RATIO * len(pair))
        return cls(low, width, (counts >= required).reshape(CELLS + 2, CELLS + 2))

    def holds(self, pair: np.ndarray) -> np.ndarray:
        """Return which rows of shape (n, 2) lie in occupied cells."""
        held: np.ndarray = self.is_occupied.ravel()[self._cell(pair)]
        return held

    def _cell(self, pair: np.ndarray) -> np.ndarray:
        place = np.clip(np.ceil((pair - self.low) / self.width), 0, CELLS + 1)
        place = np.where(pair == self.low, 1, place)
        whole = np.where(np.isnan(place), CELLS + 1, place).astype(int)
        cell: np.ndarray = whole[:, 0] * (CELLS + 2) + whole[:, 1]
        return cell
