"""Parity of two predictions for the same row, such as those of the trained and the exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def differences(expected: ArrayLike, actual: ArrayLike) -> np.ndarray:
    """Return the difference of each pair of predictions, in their shape.

    It is relative to expected values above 1, because float32 has seven significant digits. It is 0 where both are
    NaN, and NaN where only one is.
    """
    before, after = np.asarray(expected, dtype=float), np.asarray(actual, dtype=float)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(invalid="ignore"):
        different = np.abs(before - after) / np.maximum(1, np.abs(before))
    return np.where(same, 0.0, different)
