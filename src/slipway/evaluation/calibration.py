"""Calibration: whether predictions agree with the outcomes on average, in bins of equally many rows."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation.compared import Decile, Residuals

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 10  # deciles
RESIDUAL_QUANTILES = (0.1, 0.5, 0.9)


def deciles(y: np.ndarray, prediction: np.ndarray, confidence: float | None = None) -> list[Decile]:
    """Return the mean prediction and the mean outcome in each decile of the predictions.

    y: targets, shape (n,); prediction: shape (n,), or (n, classes) for `multiclass`, where the probability of the
    likeliest class is compared with the fraction of rows in which that class is correct. Fewer than ten rows have a
    bin each. confidence: that of the interval of each mean outcome, between 0 and 1; None computes no interval.
    """
    if prediction.ndim > 1:
        y, prediction = (prediction.argmax(axis=1) == y) * 1.0, prediction.max(axis=1)
    return [
        Decile(
            predicted=float(prediction[rows].mean()),
            observed=float(y[rows].mean()),
            **(
                {}
                if confidence is None
                else dict(zip(("low", "high"), mean_interval(y[rows], confidence), strict=True))
            ),
        )
        for rows in _bins(prediction)
    ]


def _bins(prediction: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each bin, by increasing prediction."""
    groups = np.array_split(np.argsort(prediction, kind="stable"), BINS)
    return [rows for rows in groups if len(rows)]


def mean_interval(y: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the interval of the mean of `y`, shape (n,) with n ≥ 1.

    Wilson's score interval for outcomes of 0 and 1, which holds for rare outcomes too; else the normal approximation
    with the standard error of the mean, NaN for a single value. Source: Wilson, Probable Inference, 1927.
    """
    z, count, mean = NormalDist().inv_cdf((1 + confidence) / 2), len(y), float(y.mean())
    if np.isin(y, (0, 1)).all():
        center, scale = mean + z**2 / (2 * count), 1 + z**2 / count
        half = z * math.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2))
        return (center - half) / scale, (center + half) / scale
    half = z * float(np.std(y, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    return mean - half, mean + half


def residuals(y: np.ndarray, prediction: np.ndarray) -> list[Residuals]:
    """Return the 10%, 50% and 90% quantiles of `y` - `prediction` in each decile; both have the shape (n,)."""
    return [
        Residuals(
            predicted=float(prediction[rows].mean()),
            **dict(
                zip(
                    ("low", "median", "high"),
                    np.quantile(y[rows] - prediction[rows], RESIDUAL_QUANTILES).tolist(),
                    strict=True,
                )
            ),
        )
        for rows in _bins(prediction)
    ]


def mean_gap(bins: Sequence[Decile]) -> float:
    """Return the mean of |predicted - observed| over the bins, at least one.

    It is divided by the range of the outcomes where that exceeds 1, which makes it independent of the target's unit.
    """
    observed = [row.observed for row in bins]
    gap = sum(abs(row.predicted - row.observed) for row in bins) / len(bins)
    return gap / max(1, max(observed) - min(observed))
