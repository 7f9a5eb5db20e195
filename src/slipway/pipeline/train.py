"""Stage `train`: the fitted estimator of the problem, and its loss curve.

`python -m slipway.pipeline.train PREPARED MODEL HISTORY CHECKPOINTS`
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import InvalidParameterError

import problem
from slipway.errors import SettingError, reported_by
from slipway.evaluation import metrics
from slipway.files import write_json
from slipway.pipeline import checkpoint, skops_file
from slipway.pipeline.checkpoint import Checkpoint
from slipway.pipeline.tables import Batches, positions, read_places, read_rows, row_count
from slipway.predictor import staged
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sklearn.base import BaseEstimator

    from slipway.settings.training import TrainSection


TRAIN: Callable[..., BaseEstimator] | None = getattr(problem, "train", None)
"""The problem's own training with checkpoints, which is optional."""
TRAIN_BATCHES: Callable[..., BaseEstimator] | None = getattr(problem, "train_batches", None)
"""The problem's own training on rows that do not fit into memory, which is optional."""
RESUMED = "resumed.json"
"""File in the folder of checkpoints: how often the last training continued from one."""


def train(prepared: Path, model: Path, history: Path, checkpoints: Path) -> None:
    """Fit on `train.parquet`, and write the estimator and its loss on train and test rows by iteration.

    A problem with a function `train` or `train_batches` keeps its checkpoint in the folder `checkpoints` until the
    training is complete. With `train_batches`, no more rows are in memory than it holds itself.
    """
    rows = prepared / "train.parquet"
    settings = read_settings()
    params = settings.for_problem()
    resumable = TRAIN or TRAIN_BATCHES
    state = Checkpoint(checkpoint.folder(checkpoints), checkpoint.key(rows, params)) if resumable else None
    if TRAIN_BATCHES and state:
        estimator = fit_batches(TRAIN_BATCHES, params, Batches(rows), state)
    else:
        estimator = fit(params, *read_rows(rows), state)
    skops_file.dump(estimator, model)
    write_json(checkpoints / RESUMED, {"resumed": state.resumed if state else 0})
    curve = loss_curve(estimator, prepared, settings.train)
    history.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(curve, columns=["iteration", "rows", "loss"]).to_csv(history, index=False, float_format="%.6f")
    if state:
        state.remove()


def fit(
    params: dict[str, Any], features: pd.DataFrame, target: np.ndarray, state: Checkpoint | None = None
) -> BaseEstimator:
    """Return the fitted estimator of the problem. Raises UserError for a value of `model` that it rejects."""
    with _rejected_values():
        estimator = _built(params)
        return TRAIN(estimator, features, target, state) if TRAIN and state else estimator.fit(features, target)


def fit_batches(
    train_batches: Callable[..., BaseEstimator], params: dict[str, Any], batches: Batches, state: Checkpoint
) -> BaseEstimator:
    """Return the estimator of the problem that its `train_batches` has fitted. Raises as `fit`."""
    with _rejected_values():
        return train_batches(_built(params), batches, state)


def _built(params: dict[str, Any]) -> BaseEstimator:
    try:
        return problem.build_model(params)
    except TypeError as error:  # an unknown argument of the estimator
        raise SettingError(f"params.yaml: model: {error}") from None


@contextmanager
def _rejected_values() -> Iterator[None]:
    try:
        yield
    except InvalidParameterError as error:
        raise SettingError(f"params.yaml: model: {error}") from None


def loss_curve(estimator: BaseEstimator, prepared: Path, settings: TrainSection) -> list[tuple[int, str, float]]:
    """Return (iteration, train or test, loss) at evenly spaced iterations; empty for an estimator without stages."""
    loss, curve = metrics.loss_of(problem.TASK), []
    for rows in ("train", "test"):
        table = prepared / f"{rows}.parquet"
        features, target = read_places(table, np.arange(min(settings.history_rows, row_count(table))))
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
