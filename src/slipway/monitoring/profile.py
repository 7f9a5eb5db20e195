"""What a column looks like in a window, in a few numbers that do not depend on how many rows there are.

Columns are told apart by their kind only: a number or a category, as `slipway.schema` has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BINS = 64  # of a number's values, equally many of the reference in each; a shift by one of them is a distance of 0.016
NAMES = 200  # categories that are told apart, the most frequent; a rarer one is as one that was never seen
ROOM = 0.1  # of a number's range that values may lie beyond what the reference has; a record is no fault


@dataclass(frozen=True)
class Ruler:
    """How one column is measured; made from the reference."""

    kind: str
    marks: np.ndarray
    """Upper ends of the bins, or the categories."""
    low: float = -math.inf
    high: float = math.inf
    """Beyond these a number is outside."""
    grid: float = 1.0
    """A coarse step of this number: the power of ten below its standard deviation."""

    @classmethod
    def of(cls, values: pd.Series, kind: str) -> Ruler:
        """From the reference's values, in the form of `slipway.features`."""
        if kind == "category":
            return cls(kind, values.value_counts().index[:NAMES].to_numpy(dtype=object))
        known = values.dropna().to_numpy(dtype=float)
        if not len(known):
            return cls(kind, np.array([0.0]))
        marks = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
        room = ROOM * (marks[-1] - marks[0])
        spread = float(np.std(known))
        grid = 10.0 ** math.floor(math.log10(spread)) if spread > 0 else 1.0
        return cls(kind, marks, marks[0] - room, marks[-1] + room, grid)

    def codes(self, values: pd.Series) -> np.ndarray:
        """The bin or category of each value: 0 is missing, and of categories 1 one that the reference has not."""
        if self.kind == "category":
            return np.where(values == "", 0, pd.Index(self.marks).get_indexer(values) + 2)
        numbers = values.to_numpy(dtype=float)
        return np.where(np.isnan(numbers), 0, np.searchsorted(self.marks, numbers) + 1)

    def shares(self, codes: np.ndarray) -> np.ndarray:
        """Share of each bin or category among the values that are there; zeros where none is."""
        counts = np.bincount(codes, minlength=len(self.marks) + 2)[1:]
        return counts / max(1, counts.sum())

    def distance(self, one: np.ndarray, other: np.ndarray) -> float:
        """Of two vectors of shares: Kolmogorov-Smirnov for numbers, total variation for categories; 0 to 1."""
        apart = np.abs(np.cumsum(one - other)).max() if self.kind == "number" else np.abs(one - other).sum() / 2
        return float(apart)

    def signs(self, values: pd.Series, codes: np.ndarray) -> dict[str, float]:
        """Shares that a broken source changes whatever the season: of missing, equal, unknown and round values."""
        count = max(1, len(values))
        there = codes > 0
        found = {"missing": 1 - there.sum() / count}
        known = values[there]
        found["equal"] = float(known.value_counts().iloc[0] / len(known)) if len(known) else 0.0
        if self.kind == "category":
            return found | {"unknown": float((codes == 1).sum() / count)}
        numbers = known.to_numpy(dtype=float)
        outside = ((numbers < self.low) | (numbers > self.high)).sum() / count
        return (
            found
            | {"unknown": float(outside)}
            | {f"round to {step:g}": _round_share(numbers, step) for step in (self.grid / 10, self.grid)}
        )


def _round_share(numbers: np.ndarray, step: float) -> float:
    if not len(numbers):
        return 0.0
    parts = numbers / step
    return float((np.abs(parts - np.round(parts)) < 1e-3).mean())


def rulers(features: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, Ruler]:
    """A ruler for each column."""
    return {name: Ruler.of(features[name], kind) for name, kind in kinds.items()}


def nearest(ruler: Ruler, shares: np.ndarray, periods: Sequence[np.ndarray]) -> float:
    """Distance to the period that is most alike: what is like no time of the year is no season."""
    return min((ruler.distance(shares, one) for one in periods), default=0.0)
