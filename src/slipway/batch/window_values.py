"""The values of a number, a category or a time of day in the windows of a reference.

A sensor, a schedule or a price list has the same values in every season. Another unit, an interpolation or an offset
brings values between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Container


@dataclass(frozen=True)
class WindowValues:
    """The distinct values, and how often each window has them."""

    values: np.ndarray
    """Sorted, shape (k,)."""
    counts: np.ndarray
    """Shape (k, windows)."""

    @classmethod
    def of(cls, values: np.ndarray, window: np.ndarray, windows: int) -> WindowValues:
        """Return the distinct values among `values` of a reference, given the window of each row."""
        is_present = ~pd.isna(values)
        distinct, place = np.unique(values[is_present], return_inverse=True)
        counts = np.bincount(place * windows + window[is_present], minlength=len(distinct) * windows)
        return cls(distinct, counts.reshape(len(distinct), windows))

    def new_ratio(self, values: np.ndarray, without: Container[int] = ()) -> float:
        """Return the fraction of `values` that no window but those `without` has, within the range of the others.

        A value beyond the range is a record, and no fault.
        """
        reference = self._except(without)
        present = values[~np.isnan(values)]
        if not len(reference) or not len(present):
            return 0.0
        between = present[(present > reference[0]) & (present < reference[-1])]
        return float((reference[np.searchsorted(reference, between)] != between).sum() / len(present))

    def lacking_ratio(self, *variants: np.ndarray, without: Container[int] = ()) -> float:
        """Return the fraction of rows whose value no window but those `without` has, in any of its `variants`."""
        reference = self._except(without)
        has = np.any([pd.isna(values) | pd.Series(values).isin(reference) for values in variants], axis=0)
        return float(1 - has.mean()) if len(has) else 0.0

    def _except(self, without: Container[int]) -> np.ndarray:
        """Return the values of the windows but those `without`."""
        others = [window for window in range(self.counts.shape[1]) if window not in without]
        return self.values[self.counts[:, others].any(axis=1)]
