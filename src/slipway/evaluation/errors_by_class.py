"""Errors of a classifier: its ROC curve with an interval, and the rows by actual and predicted class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation import bootstrap
from slipway.evaluation.compared import RocPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POINTS = 21  # of the curve, evenly spaced false positive rates


def roc(
    y: np.ndarray,
    candidate: np.ndarray,
    champion: np.ndarray | None = None,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> list[RocPoint]:
    """Return the ROC curve of the candidate with pointwise percentile intervals, and that of the champion.

    y: 0 or 1, shape (n,). candidate, champion: scores, shape (n,). Empty where `y` has one class only.
    """
    rates = np.linspace(0, 1, POINTS)
    if len(np.unique(y)) == 1:
        return []
    ones, curve_of = np.ones((len(y), 1)), _weighted_curve(y, candidate, rates)
    curve = next(curve_of(ones))
    other = None if champion is None else next(_weighted_curve(y, champion, rates)(ones))
    drawn = np.array([rate for batch in bootstrap.row_weights(len(y), resamples, seed) for rate in curve_of(batch)])
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [
        RocPoint(
            false_positives=float(rate),
            true_positives=float(curve[point]),
            low=float(low[point]),
            high=float(high[point]),
            champion=None if other is None else float(other[point]),
        )
        for point, rate in enumerate(rates)
    ]


def _weighted_curve(
    y: np.ndarray, score: np.ndarray, rates: np.ndarray
) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    """Return a function that yields the true positive rates at the false positive rates `rates` by column of weights.

    A column that draws one class only is skipped. Rows with one score share a point of the curve.
    """
    order = np.argsort(-score, kind="stable")
    last_of_score = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    is_positive = y[order] == 1
    sides = is_positive, ~is_positive

    def weighted(weights: np.ndarray) -> Iterator[np.ndarray]:
        sums = [np.cumsum(weights[order] * side[:, None], axis=0)[last_of_score] for side in sides]
        for positives, negatives in zip(*(side.T for side in sums), strict=True):
            if positives[-1] and negatives[-1]:
                yield np.interp(rates, np.append(0, negatives / negatives[-1]), np.append(0, positives / positives[-1]))

    return weighted


def counts(y: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Return the number of rows by actual and predicted class.

    y, predicted: positions of classes, shape (n,). A row of an unknown class, -1 in y, is left out.
    """
    has_class = y >= 0
    cells = np.bincount(y[has_class].astype(int) * classes + predicted[has_class].astype(int), minlength=classes**2)
    matrix: list[list[int]] = cells.reshape(classes, classes).tolist()
    return matrix
