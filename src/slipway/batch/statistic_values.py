"""Values of statistics, each on a scale on which windows vary evenly.

They are logarithms of errors, arcsines of fractions and Fisher's z of correlations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from slipway.evaluation.segments import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_CAP = 10.0  # mean errors at which an error is clipped, so that no single row decides
ERROR_FLOOR = 0.05  # mean errors that are added before the logarithm: an error near zero may double
SEGMENT_ROWS_MIN = 50
CORRELATION_MAX = 0.999


class StatisticKey(NamedTuple):
    """A statistic of a column in a segment."""

    statistic: str
    column: str
    segment: str = ALL


@dataclass(frozen=True)
class Value:
    """A value, and the error of its estimate if the rows were independent."""

    value: float
    noise: float


Keyed: TypeAlias = "Iterator[tuple[StatisticKey, Value]]"


def log_mean(scaled: np.ndarray, ignored: float = 0.0) -> Value:
    """Return the logarithm of the mean error, in units of the mean errors of the reference."""
    clipped = np.clip(scaled, 0, ERROR_CAP)
    average = float(clipped.mean())
    mean = average + ERROR_FLOOR + ignored
    deviation = max(float(clipped @ clipped) / len(clipped) - average**2, 0.0) ** 0.5
    return Value(float(np.log(mean)), deviation / mean / len(clipped) ** 0.5)


def fraction_of(is_true: np.ndarray) -> Value:
    """Return the fraction on the scale of arcsines."""
    return arcsine(float(is_true.mean()), len(is_true))


def arcsine(fraction: float, count: float) -> Value:
    """Return a fraction of `count` rows, or a distance between distributions, on the scale of arcsines.

    Its noise does not depend on it there.
    """
    return Value(float(np.arcsin(np.sqrt(min(max(fraction, 0.0), 1.0)))), 0.5 / max(count, 1) ** 0.5)


def from_arcsine(value: float) -> float:
    """Return the fraction or distance that is `value` on the scale of arcsines."""
    return float(np.sin(np.clip(value, 0, np.pi / 2)) ** 2)


def association(codes: np.ndarray, errors: np.ndarray) -> Value:
    """Return the correlation of the errors with their mean by category, without what chance adds to it."""
    defined = ~np.isnan(errors)
    codes, errors = codes[defined], errors[defined]
    if len(errors) < SEGMENT_ROWS_MIN or not errors.std():
        return Value(0.0, 1.0)
    groups = np.unique(codes, return_inverse=True)[1]
    counts = np.bincount(groups)
    means = np.bincount(groups, errors) / counts
    explained = float((counts * (means - errors.mean()) ** 2).sum() / (len(errors) * errors.var()))
    chance = (len(counts) - 1) / len(errors)
    carried = min(max(explained - chance, 0.0) ** 0.5, CORRELATION_MAX)
    return Value(float(np.arctanh(carried)), len(errors) ** -0.5)


def correlation(left: np.ndarray, right: np.ndarray) -> Value:
    """Return Fisher's z of the correlation of the rows with both values."""
    both = ~np.isnan(left) & ~np.isnan(right)
    left, right = left[both], right[both]
    if len(left) < SEGMENT_ROWS_MIN:
        return Value(0.0, 1.0)
    left, right = left - left.mean(), right - right.mean()
    spread = float(left @ left) ** 0.5 * float(right @ right) ** 0.5  # numpy.corrcoef takes five times as long
    if not spread:
        return Value(0.0, 1.0)
    ratio = float(np.clip((left @ right) / spread, -CORRELATION_MAX, CORRELATION_MAX))
    return Value(float(np.arctanh(ratio)), len(left) ** -0.5)
