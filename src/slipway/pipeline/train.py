"""Stage `train`: fit the problem's estimator, and draw its loss curve.

`python -m slipway.pipeline.train PREPARED MODEL HISTORY`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import problem
from slipway import metrics
from slipway.pipeline import skops_file
from slipway.pipeline.tables import positions, read_rows
from slipway.predictor import shaped
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from sklearn.base import BaseEstimator


def train(prepared: Path, model: Path, history: Path) -> None:
    """Fit on `train.parquet`, and write the estimator and the loss on train and test rows as it was trained."""
    params = read_params()
    features, target = read_rows(prepared / "train.parquet")
    estimator = problem.build_model(params).fit(features, target)
    skops_file.dump(estimator, model)
    curve = loss_curve(estimator, prepared, params["train"])
    history.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(curve, columns=["iteration", "rows", "loss"]).to_csv(history, index=False, float_format="%.6f")


def loss_curve(estimator: BaseEstimator, prepared: Path, params: dict[str, Any]) -> list[tuple[int, str, float]]:
    """(iteration, train or test, loss) at evenly spaced iterations; empty when the estimator has no stages."""
    loss = metrics.for_task(problem.TASK)["rmse" if problem.TASK == "regression" else "log_loss"]
    curve = []
    for rows in ("train", "test"):
        features, target = read_rows(prepared / f"{rows}.parquet")
        features, target = features.head(params["history_rows"]), target[: params["history_rows"]]
        for iteration, prediction in _stages(estimator, features, params["history_points"]):
            curve.append(
                (iteration, rows, loss.value(positions(target, list(getattr(estimator, "classes_", []))), prediction))
            )
    return curve


def _stages(estimator: BaseEstimator, features: pd.DataFrame, points: int) -> Iterator[tuple[int, np.ndarray]]:
    """Predictions after the first iteration, the last, and evenly between, from scikit-learn's `staged_` methods."""
    method = "staged_predict" if problem.TASK == "regression" else "staged_predict_proba"
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if not hasattr(last, method):
        return
    inputs = estimator[:-1].transform(features) if hasattr(estimator, "steps") else features
    stages = [shaped(problem.TASK, stage) for stage in getattr(last, method)(inputs)]
    step = max(1, len(stages) // points)
    for iteration in sorted({*range(1, len(stages) + 1, step), len(stages)}):
        yield iteration, stages[iteration - 1]


if __name__ == "__main__":
    train(*map(Path, sys.argv[1:]))
