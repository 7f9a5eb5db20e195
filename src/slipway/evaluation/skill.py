"""Skill: how well predictions order the rows, on one scale for all tasks. 0 is chance, 1 is perfect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.evaluation.metrics import for_task

if TYPE_CHECKING:
    from collections.abc import Sequence


def skill(task: str, classes: Sequence[Any], target: np.ndarray, scores: np.ndarray) -> float:
    """Return 2 * ROC AUC - 1; NaN when all targets are equal or a score is NaN.

    target: shape (n,). scores: shape of `Predictor.predict`. classes: order of the columns of `scores`.
    `multiclass` is the mean over the classes; `regression` is the separation of the upper half of the targets.
    """
    areas = [_area(positive, score) for positive, score in _binary(task, classes, target, scores)]
    return 2 * float(np.mean(areas)) - 1


def _binary(
    task: str, classes: Sequence[Any], target: np.ndarray, scores: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the binary tasks that `task` consists of, each as (is positive, score), both of shape (n,)."""
    if task == "multiclass":
        present = set(target)
        return [(target == label, scores[:, index]) for index, label in enumerate(classes) if label in present]
    return [(target == 1 if task == "binary" else target > np.median(target), scores)]


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    return for_task("binary")["roc_auc"].value(positive.astype(float), score)
