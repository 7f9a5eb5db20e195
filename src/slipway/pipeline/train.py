"""Stage `train`: the fitted estimator of the problem, and its loss curve.

`python -m slipway.pipeline.train PREPARED MODEL HISTORY`
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils._param_validation import InvalidParameterError

import problem
from slipway.errors import SettingError, reported_by
from slipway.evaluation import metrics
from slipway.pipeline import skops_file
from slipway.pipeline.tables import positions, read_rows
from slipway.predictor import staged
from slipway.settings import read_settings

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import BaseEstimator

    from slipway.settings.training import TrainSection


def train(prepared: Path, model: Path, history: Path) -> None:
    """Fit on `train.parquet`, and write the estimator and its loss on train and test rows by iteration."""
    features, target = read_rows(prepared / "train.parquet")
    settings = read_settings()
    estimator = fit(settings.for_problem(), features, target)
    skops_file.dump(estimator, model)
    curve = loss_curve(estimator, prepared, settings.train)
    history.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(curve, columns=["iteration", "rows", "loss"]).to_csv(history, index=False, float_format="%.6f")


def fit(params: dict[str, Any], features: pd.DataFrame, target: np.ndarray) -> BaseEstimator:
    """Return the fitted estimator of the problem. Raises UserError for a value of `model` that it rejects."""
    try:
        estimator = problem.build_model(params)
    except TypeError as error:  # an unknown argument of the estimator
        raise SettingError(f"params.yaml: model: {error}") from None
    try:
        return estimator.fit(features, target)
    except InvalidParameterError as error:
        raise SettingError(f"params.yaml: model: {error}") from None


def loss_curve(estimator: BaseEstimator, prepared: Path, settings: TrainSection) -> list[tuple[int, str, float]]:
    """Return (iteration, train or test, loss) at evenly spaced iterations; empty for an estimator without stages."""
    loss, curve = metrics.loss_of(problem.TASK), []
    for rows in ("train", "test"):
        features, target = read_rows(prepared / f"{rows}.parquet")
        features, target = features.head(settings.history_rows), target[: settings.history_rows]
        labels = positions(target, list(getattr(estimator, "classes_", [])))
        stages = list(staged(estimator, features, problem.TASK))
        iterations = _spread(len(stages), settings.history_points)
        curve += [(at, rows, loss.value(labels, stages[at - 1])) for at in iterations]
    return curve


def _spread(iterations: int, points: int) -> list[int]:
    """Return the first iteration, the last, and about `points` evenly spaced between them."""
    return sorted({*range(1, iterations + 1, max(1, iterations // points)), iterations} - {0})


if __name__ == "__main__":
    with reported_by("train"):
        train(*map(Path, sys.argv[1:]))
