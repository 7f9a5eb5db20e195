"""The profile of a column: statistics of its values that do not depend on the number of rows.

A column is a number or a category, as in `slipway.schema.columns`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from slipway.schema.missing import are_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BIN_COUNT = 64  # equally populated in the reference; a shift by one bin is a distance of 0.016
CATEGORIES_MAX = 200  # the most frequent; a rarer one counts as unknown


@dataclass(frozen=True)
class ColumnProfile:
    """Bins and measures of one column, learned from the reference."""

    kind: str
    bins: np.ndarray
    """Upper edges of the bins of a number, or the categories."""
    grid: float = 1.0
    """A coarse step of a number: the power of ten below its standard deviation."""

    @classmethod
    def of(cls, values: pd.Series, kind: str) -> ColumnProfile:
        """Return the profile of the reference's `values`, as `slipway.schema.features` prepares them."""
        if kind == "category":
            return cls(kind, values.value_counts().index[:CATEGORIES_MAX].to_numpy(dtype=object))
        present = values.dropna().to_numpy(dtype=float)
        if not len(present):
            return cls(kind, np.array([0.0]))
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BIN_COUNT + 1)))
        spread = float(np.std(present))
        grid = 10.0 ** math.floor(math.log10(spread)) if spread > 0 else 1.0
        return cls(kind, edges, grid)

    def codes(self, values: pd.Series) -> np.ndarray:
        """Return the bin or category of each value: 0 if missing; for categories, 1 if the reference lacks it."""
        if self.kind == "category":
            codes = pd.Index(self.bins).get_indexer(values) + 2
        else:
            codes = np.searchsorted(self.bins, values.to_numpy(dtype=float)) + 1
        return np.where(are_missing(values, self.kind), 0, codes)

    def fractions(self, codes: np.ndarray) -> np.ndarray:
        """Return the fraction of each bin or category among the present values; zeros without any."""
        counts = np.bincount(codes, minlength=len(self.bins) + 2)[1:]
        fractions: np.ndarray = counts / max(1, counts.sum())
        return fractions

    def distance(self, left: np.ndarray, right: np.ndarray) -> float:
        """Return the distance of two vectors of fractions, 0 to 1: Kolmogorov-Smirnov, or total variation."""
        if self.kind == "number":
            return float(np.abs(np.cumsum(left - right)).max())
        return float(np.abs(left - right).sum() / 2)

    def indicators(self, values: pd.Series, codes: np.ndarray) -> dict[str, float]:
        """Return indicators of a broken source in any season: fractions of missing, equal and round values."""
        count = max(1, len(values))
        is_present = codes > 0
        indicators = {"missing": 1 - is_present.sum() / count}
        if self.kind == "category":
            indicators["equal"] = _equal_fraction(pd.factorize(values[is_present])[0])
            return indicators
        numbers = values.to_numpy(dtype=float)[is_present]
        indicators["equal"] = _equal_fraction(np.unique(numbers, return_inverse=True)[1])
        return indicators | {
            f"round to {step:g}": _round_fraction(numbers, step) for step in (self.grid / 10, self.grid)
        }


def _equal_fraction(places: np.ndarray) -> float:
    """Return the fraction of the most frequent value, given the place of each value among the distinct ones."""
    return float(np.bincount(places).max() / len(places)) if len(places) else 0.0


def _round_fraction(numbers: np.ndarray, step: float) -> float:
    """Return the fraction of `numbers` that are multiples of `step`."""
    if not len(numbers):
        return 0.0
    steps = numbers / step
    return float((np.abs(steps - np.round(steps)) < 1e-3).mean())


def profiles(features: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, ColumnProfile]:
    """Return the profile of each column of `kinds`."""
    return {name: ColumnProfile.of(features[name], kind) for name, kind in kinds.items()}


def nearest(column: ColumnProfile, fractions: np.ndarray, periods: Sequence[np.ndarray]) -> float:
    """Return the distance to the most similar period: a shape unlike any time of the year is no season."""
    return min((column.distance(fractions, period) for period in periods), default=0.0)
