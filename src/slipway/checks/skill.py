"""One scale for how well predictions order the rows, whatever the task: 0 is chance, 1 is perfect."""

from __future__ import annotations

import numpy as np

from slipway.metrics import for_task


def skill(task: str, classes: list, target: np.ndarray, scores: np.ndarray) -> float:
    """Twice the area under the ROC curve, less one; NaN when the targets are all alike or a score is NaN.

    `target` has shape (n,), `scores` the shape that `Predictor.predict` returns, `classes` the order of its columns.
    For `multiclass` it is averaged over the classes; for `regression` the question is which rows are in the upper half.
    """
    return (
        2 * float(np.mean([_area(positive, score) for positive, score in _questions(task, classes, target, scores)]))
        - 1
    )


def _questions(task: str, classes: list, target: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    if task == "multiclass":
        present = set(target)
        return [(target == label, scores[:, index]) for index, label in enumerate(classes) if label in present]
    return [(target == 1 if task == "binary" else target > np.median(target), scores)]


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    return for_task("binary")["roc_auc"].value(positive.astype(float), score)
