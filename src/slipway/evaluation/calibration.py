"""Calibration: whether predictions agree with the outcomes on average, in bins of equally many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation.compared import Decile

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 10  # deciles


def deciles(y: np.ndarray, prediction: np.ndarray) -> list[Decile]:
    """Return the mean prediction and the mean outcome in each decile of the predictions.

    y: targets, shape (n,); prediction: shape (n,), or (n, classes) for `multiclass`, where the probability of the
    likeliest class is compared with the fraction of rows in which that class is correct. Fewer than ten rows have a
    bin each.
    """
    if prediction.ndim > 1:
        y, prediction = (prediction.argmax(axis=1) == y) * 1.0, prediction.max(axis=1)
    groups = np.array_split(np.argsort(prediction, kind="stable"), BINS)
    return [
        Decile(predicted=float(prediction[rows].mean()), observed=float(y[rows].mean())) for rows in groups if len(rows)
    ]


def mean_gap(bins: Sequence[Decile]) -> float:
    """Return the mean of |predicted - observed| over the bins, at least one.

    It is divided by the range of the outcomes where that exceeds 1, which makes it independent of the target's unit.
    """
    observed = [row.observed for row in bins]
    gap = sum(abs(row.predicted - row.observed) for row in bins) / len(bins)
    return gap / max(1, max(observed) - min(observed))
