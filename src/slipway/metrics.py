"""Metrics of each task, under weights: what one number is on the test rows, and on two thousand resamples of them.

scikit-learn's metrics take one set of weights at a time; a bootstrap needs thousands, so these take a matrix of them.
Their values without weights equal scikit-learn's, which a test holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

Weighted = "Callable[[np.ndarray], np.ndarray]"
"""From weights of shape (n, resamples) to the metric on each resample, shape (resamples,); NaN where undefined.

A row of weights belongs to a row of data, so that reordering rows moves whole blocks of memory.
"""

TINY = 1e-15  # keeps the logarithm finite; scikit-learn clips at the float's epsilon, which is of the same size


@dataclass(frozen=True)
class Metric:
    """A metric: its name, which direction is better, its unit, and how to compute it.

    `on(y, prediction)` takes targets of shape (n,) and predictions as `Predictor.predict` returns them, and prepares
    what does not depend on the weights. For `multiclass`, y holds positions in the signature's `classes`, and -1 for a
    class that the model has never seen: it gave it no chance.
    """

    name: str
    higher_is_better: bool
    unit: str
    on: Callable[[np.ndarray, np.ndarray], Weighted]

    def value(self, y: np.ndarray, prediction: np.ndarray) -> float:
        """The metric on the rows as they are."""
        return float(self.on(y, prediction)(np.ones((len(y), 1), dtype=np.float32))[0])

    def gain(self, difference: np.ndarray) -> np.ndarray:
        """Turn candidate minus champion into an improvement: positive is better."""
        return difference if self.higher_is_better else -difference


def for_task(task: str) -> dict[str, Metric]:
    """Metrics of `binary`, `multiclass` or `regression`, by name."""
    return {metric.name: metric for metric in METRICS[task]}


LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}
"""The proper scoring rule of each task, which has a value on any rows, those of a single class among them."""


def primary(task: str, name: str) -> Metric:
    """Return the metric `gates.primary` of params.yaml. Raises UserError for one that `task` does not have."""
    known = for_task(task)
    if name not in known:
        raise UserError(f"params.yaml: gates.primary: {name!r}; allowed for TASK {task!r}: {', '.join(known)}")
    return known[name]


def loss_of(task: str) -> Metric:
    """Return the loss that training reduces on `task`; the estimator's own loss may be a relative of it."""
    return for_task(task)[LOSSES[task]]


def deciding(task: str, primary_name: str) -> list[Metric]:
    """Return the metrics that may decide on a group of rows: the primary one, then the loss where that is undefined.

    Raises UserError for a primary metric that `task` does not have.
    """
    return list(dict.fromkeys((primary(task, primary_name), loss_of(task))))


def _mean_of(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.ndarray], Weighted]:
    """A metric that is the weighted mean of a loss of each row."""

    def on(y: np.ndarray, prediction: np.ndarray) -> Weighted:
        losses = loss(y, prediction)
        return lambda weights: _ratio(losses @ weights, weights.sum(axis=0, dtype=np.float64))

    return on


def _root_of(metric: Callable[[np.ndarray, np.ndarray], Weighted]) -> Callable[[np.ndarray, np.ndarray], Weighted]:
    def on(y: np.ndarray, prediction: np.ndarray) -> Weighted:
        squared = metric(y, prediction)
        return lambda weights: np.sqrt(squared(weights))

    return on


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def _roc_auc(y: np.ndarray, prediction: np.ndarray) -> Weighted:
    """Share of (positive, negative) pairs that the scores order rightly; a tie counts half."""
    order = np.argsort(prediction, kind="stable")
    scores, positive = prediction[order], y[order] == 1
    first = np.searchsorted(scores, scores[positive], side="left")
    last = np.searchsorted(scores, scores[positive], side="right")

    def weighted(weights: np.ndarray) -> np.ndarray:
        weights = weights[order]
        negatives = np.zeros((len(order) + 1, weights.shape[1]))
        np.cumsum(np.where(positive[:, None], 0, weights), axis=0, out=negatives[1:])
        positives = weights[positive]
        right = np.einsum("ij,ij->j", positives, negatives[first] + negatives[last], dtype=np.float64) / 2
        return _ratio(right, positives.sum(axis=0, dtype=np.float64) * negatives[-1])

    undefined = np.isnan(prediction).any()
    return (lambda weights: np.full(weights.shape[1], np.nan)) if undefined else weighted


def _log_loss_binary(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(np.where(y == 1, p, 1 - p), TINY, 1))


def _log_loss_multiclass(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -np.log(np.clip((p * _one_hot(y, p)).sum(axis=1), TINY, 1))


def _brier_multiclass(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return ((p - _one_hot(y, p)) ** 2).sum(axis=1) + (y < 0)


def _one_hot(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """1 in the column of the right class, 0 elsewhere; all 0 where the model has no such column."""
    return y[:, None] == np.arange(p.shape[1])


def _right(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(p).any(axis=1), np.nan, p.argmax(axis=1) == y)


def _squared(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return (y - prediction) ** 2


METRICS = {
    "binary": (
        Metric("roc_auc", True, "", _roc_auc),
        Metric("log_loss", False, "nats", _mean_of(_log_loss_binary)),
        Metric("brier", False, "", _mean_of(_squared)),
    ),
    "multiclass": (
        Metric("log_loss", False, "nats", _mean_of(_log_loss_multiclass)),
        Metric("accuracy", True, "", _mean_of(_right)),
        Metric("brier", False, "", _mean_of(_brier_multiclass)),
    ),
    "regression": (
        Metric("rmse", False, "target units", _root_of(_mean_of(_squared))),
        Metric("mae", False, "target units", _mean_of(lambda y, value: np.abs(y - value))),
    ),
}
