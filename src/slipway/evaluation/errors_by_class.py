"""Errors of a classifier: its ROC curve with an interval, and the rows by actual and predicted class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation import bootstrap
from slipway.evaluation.compared import RocPoint

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    ones = np.ones((len(y), 1))
    curve = next(_true_positive_rates(y, candidate, rates, ones))
    other = None if champion is None else next(_true_positive_rates(y, champion, rates, ones))
    batches = bootstrap.row_weights(len(y), resamples, seed)
    drawn = np.array([rate for batch in batches for rate in _true_positive_rates(y, candidate, rates, batch)])
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


def _true_positive_rates(
    y: np.ndarray, score: np.ndarray, rates: np.ndarray, weights: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the true positive rate at each false positive rate in `rates`, for each column of weights.

    A column that draws one class only is skipped. Rows with one score share a point of the curve.
    """
    order = np.argsort(-score, kind="stable")
    last_of_score = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    is_positive = y[order] == 1
    sums = [np.cumsum(weights[order] * side[:, None], axis=0)[last_of_score] for side in (is_positive, ~is_positive)]
    for positives, negatives in zip(*(side.T for side in sums), strict=True):
        if positives[-1] and negatives[-1]:
            yield np.interp(rates, np.append(0, negatives / negatives[-1]), np.append(0, positives / positives[-1]))


def counts(y: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Return the number of rows by actual and predicted class.

    y, predicted: positions of classes, shape (n,). A row of an unknown class, -1 in y, is left out.
    """
    has_class = y >= 0
    cells = np.bincount(y[has_class].astype(int) * classes + predicted[has_class].astype(int), minlength=classes**2)
    matrix: list[list[int]] = cells.reshape(classes, classes).tolist()
    return matrix
