"""Metrics of each task, vectorized over sample weights, so that a bootstrap computes all resamples of a batch together.

scikit-learn's metrics take one vector of weights; these take a matrix, one column per resample. Unweighted, their
values equal scikit-learn's, which a test asserts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from slipway.errors import SettingError

Weighted: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Maps weights of shape (n, resamples) to the metric of each resample, shape (resamples,); NaN where undefined.

A row of weights belongs to a row of data, so that reordering rows moves contiguous memory.
"""

PROBABILITY_MIN = 1e-15  # keeps the logarithm finite; scikit-learn clips at the float's epsilon, of the same magnitude


Difference = TypeVar("Difference", float, np.ndarray)


@dataclass(frozen=True)
class Metric:
    """A metric with its name, direction, unit and computation.

    `on(y, prediction)` takes targets of shape (n,) and predictions as `Predictor.predict` returns them, and computes
    what does not depend on the weights. For `multiclass`, y holds positions in the signature's `classes`, or -1 for a
    class that is not among them, to which the model assigns probability 0.
    """

    name: str
    higher_is_better: bool
    unit: str
    on: Callable[[np.ndarray, np.ndarray], Weighted]

    def value(self, y: np.ndarray, prediction: np.ndarray) -> float:
        """Return the metric on all rows, unweighted."""
        return float(self.on(y, prediction)(np.ones((len(y), 1), dtype=np.float32))[0])

    def gain(self, difference: Difference) -> Difference:
        """Return the difference candidate minus champion with the sign for which positive is better."""
        return difference if self.higher_is_better else -difference


def for_task(task: str) -> dict[str, Metric]:
    """Return the metrics of `binary`, `multiclass` or `regression`, by name."""
    return {metric.name: metric for metric in METRICS[task]}


LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}
"""Proper scoring rule of each task. Unlike ROC AUC, it is defined on rows of a single class."""


def primary(task: str, name: str) -> Metric:
    """Return the metric `gates.primary` of params.yaml. Raises UserError if `task` does not have it."""
    allowed = for_task(task)
    if name not in allowed:
        raise SettingError(f"params.yaml: gates.primary: {name!r}; allowed for TASK {task!r}: {', '.join(allowed)}")
    return allowed[name]


def loss_of(task: str) -> Metric:
    """Return the loss that training reduces on `task`. The estimator may optimize a related one."""
    return for_task(task)[LOSSES[task]]


def deciding(task: str, primary_name: str) -> list[Metric]:
    """Return the metrics that decide on a group of rows: the primary one, or the loss where that is undefined.

    Raises UserError if `task` does not have the primary metric.
    """
    return list(dict.fromkeys((primary(task, primary_name), loss_of(task))))


def _mean_of(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.ndarray], Weighted]:
    """Return the metric that is the weighted mean of a loss per row."""

    def on(y: np.ndarray, prediction: np.ndarray) -> Weighted:
        losses = loss(y, prediction)
        return lambda weights: _ratio(_weighted_sum(losses, weights), weights.sum(axis=0, dtype=np.float64))

    return on


def cost(threshold: float, false_positive: float, false_negative: float, unit: str) -> Metric:
    """Return the mean cost of a row of a binary task whose score counts as positive from `threshold` on."""

    def per_row(y: np.ndarray, score: np.ndarray) -> np.ndarray:
        costs: np.ndarray = np.where(score >= threshold, (y != 1) * false_positive, (y == 1) * false_negative)
        return costs

    return Metric("cost", False, unit, _mean_of(per_row))


def _root_of(metric: Callable[[np.ndarray, np.ndarray], Weighted]) -> Callable[[np.ndarray, np.ndarray], Weighted]:
    def on(y: np.ndarray, prediction: np.ndarray) -> Weighted:
        squared = metric(y, prediction)
        return lambda weights: np.sqrt(squared(weights))

    return on


def _weighted_sum(losses: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum for each resample, without BLAS, whose threads are slow where others use the cores."""
    total: np.ndarray = np.einsum("i,ij->j", losses, weights, dtype=np.float64)
    return total


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient; NaN where the denominator is 0."""
    undefined = np.full(len(denominator), np.nan)
    quotient: np.ndarray = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return quotient


def _roc_auc(y: np.ndarray, prediction: np.ndarray) -> Weighted:
    """Return the fraction of (positive, negative) pairs that the scores rank correctly; a tie counts half.

    Counts up to 2²⁴ are exact in float32, so that the type of the weights does not change the value of fewer rows.
    """
    order = np.argsort(prediction, kind="stable")
    is_positive = y[order] == 1
    positives, negatives = order[is_positive], order[~is_positive]
    first = np.searchsorted(prediction[negatives], prediction[positives], side="left")
    last = np.searchsorted(prediction[negatives], prediction[positives], side="right")

    def weighted(weights: np.ndarray) -> np.ndarray:
        lower = _running_sums(weights, negatives)  # weight of the lowest negatives
        chosen, below = weights.take(positives, axis=0), lower.take(first, axis=0)
        below += lower.take(last, axis=0)
        ranked = np.einsum("ij,ij->j", chosen, below, dtype=np.float64) / 2
        return _ratio(ranked, chosen.sum(axis=0, dtype=np.float64) * lower[-1])

    undefined = np.isnan(prediction).any()
    return (lambda weights: np.full(weights.shape[1], np.nan)) if undefined else weighted


def _running_sums(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, …, n of `rows` of `weights`, shape (n + 1, resamples).

    One addition adds a row to every block; `np.cumsum` along the rows adds one number at a time.
    """
    block = math.isqrt(len(rows)) + 1
    sums = np.zeros((len(rows) // block + 1, block, weights.shape[1]), dtype=weights.dtype)
    flat = sums.reshape(-1, weights.shape[1])[: len(rows) + 1]
    weights.take(rows, axis=0, out=flat[1:], mode="clip")  # other modes copy `out`
    for row in range(1, block):
        sums[:, row] += sums[:, row - 1]
    sums[1:] += np.cumsum(sums[:-1, -1], axis=0)[:, None]
    return flat


def _log_loss_binary(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    loss: np.ndarray = -np.log(np.clip(np.where(y == 1, p, 1 - p), PROBABILITY_MIN, 1))
    return loss


def _log_loss_multiclass(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    loss: np.ndarray = -np.log(np.clip((p * _one_hot(y, p)).sum(axis=1), PROBABILITY_MIN, 1))
    return loss


def _brier_multiclass(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    loss: np.ndarray = ((p - _one_hot(y, p)) ** 2).sum(axis=1) + (y < 0)
    return loss


def _one_hot(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return True in the column of the true class, else False; all False if the model lacks the class."""
    encoded: np.ndarray = y[:, None] == np.arange(p.shape[1])
    return encoded


def _is_correct(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(p).any(axis=1), np.nan, p.argmax(axis=1) == y)


def _squared(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    loss: np.ndarray = (y - prediction) ** 2
    return loss


METRICS = {
    "binary": (
        Metric("roc_auc", True, "", _roc_auc),
        Metric("log_loss", False, "nats", _mean_of(_log_loss_binary)),
        Metric("brier", False, "", _mean_of(_squared)),
    ),
    "multiclass": (
        Metric("log_loss", False, "nats", _mean_of(_log_loss_multiclass)),
        Metric("accuracy", True, "", _mean_of(_is_correct)),
        Metric("brier", False, "", _mean_of(_brier_multiclass)),
    ),
    "regression": (
        Metric("rmse", False, "target units", _root_of(_mean_of(_squared))),
        Metric("mae", False, "target units", _mean_of(lambda y, value: np.abs(y - value))),
    ),
}
