"""Stage `evaluate`: metrics of the exported model and of the baselines on the test rows.

`python -m slipway.pipeline.evaluate MODEL PREPARED PREDICTIONS METRICS IMPORTANCE`
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.errors import reported_by
from slipway.evaluation import metrics
from slipway.evaluation.baselines import baselines
from slipway.files import write_json
from slipway.pipeline.tables import FeatureBatches, drawn, positions, read_places, read_target, row_count, take
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sklearn.base import BaseEstimator

SCORE_BITS = 20  # six decimal digits; a linear model's scores differ in bit 45 between processors


def evaluate(model: Path, prepared: Path, predictions: Path, metrics_file: Path, importance_file: Path) -> None:
    """Write predictions and metrics of model and baselines on the test rows, and the importance of each column."""
    test, scorer = prepared / "test.parquet", predictor.load(model)
    models = {"model": lambda features: scorer.predict(_columns(features)), **_fitted_baselines(prepared)}
    scores = _scores(models, test)
    y = positions(read_target(test), scorer.signature["classes"])
    write_predictions(predictions, scores)
    write_json(metrics_file, {name: _metrics(y, score) for name, score in scores.items()})
    write_json(importance_file, importance(scorer, FeatureBatches(test), y))


def _scores(models: Mapping[str, Callable[[pd.DataFrame], np.ndarray]], table: Path) -> dict[str, np.ndarray]:
    """Return the predictions of each model for the rows of `table`, which is in memory a batch at a time."""
    scored = [[model(features) for model in models.values()] for features in FeatureBatches(table)]
    return {name: np.concatenate(parts) for name, parts in zip(models, zip(*scored, strict=True), strict=True)}


def write_predictions(path: Path, scores: Mapping[str, np.ndarray]) -> None:
    """Write the predictions of each model, shape (n,) or (n, classes), as a column of numbers or of lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({name: score if score.ndim == 1 else list(score) for name, score in scores.items()}).to_parquet(
        path, index=False
    )


def _columns(features: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): features[name].to_numpy() for name in features}


def _metrics(y: np.ndarray, score: np.ndarray) -> dict[str, float]:
    return {metric.name: metric.value(y, score) for metric in metrics.for_task(problem.TASK).values()}


def importance(scorer: predictor.Predictor, batches: Iterable[pd.DataFrame], y: np.ndarray) -> dict[str, float]:
    """Return the permutation importance of each column: the loss of the primary metric when it is shuffled.

    batches: the features of the n test rows, in any number of passes; y: their targets, shape (n,).
    Empty where the metric is undefined on the test rows, such as ROC AUC on rows of one class.
    Source: Breiman, Random Forests, 2001.
    """
    settings = read_settings()
    random = np.random.default_rng(settings.seed)
    order, target = random.permutation(len(y)), y
    metric = metrics.primary(problem.TASK, settings.gates.primary)
    for rows in (order[: settings.evaluate.importance_rows], order):  # a sample may lack a rare class
        columns, y = _columns(take(batches, rows)), target[rows]
        whole = metric.value(y, scorer.predict(columns))
        if np.isfinite(whole):
            break
    else:
        return {}
    shuffled = {name: random.permutation(values) for name, values in columns.items()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # a prediction uses one thread, and there is one for each column
        scores = pool.map(lambda name: scorer.predict({**columns, name: shuffled[name]}), shuffled)
        return {
            name: float(metric.gain(whole - metric.value(y, score)))
            for name, score in zip(shuffled, scores, strict=True)
        }


def _fitted_baselines(prepared: Path) -> dict[str, Callable[[pd.DataFrame], np.ndarray]]:
    """Return the prediction of each baseline, fitted on a sample: more rows do not improve a linear model."""
    settings, train = read_settings(), prepared / "train.parquet"
    size = min(row_count(train), settings.evaluate.baseline_rows)
    features, target = read_places(train, drawn(row_count(train), size, settings.seed))
    fitted = {name: model.fit(features, target) for name, model in baselines(problem.TASK, problem.Row).items()}
    return {name: partial(_rounded_score, model) for name, model in fitted.items()}


def _rounded_score(model: BaseEstimator, features: pd.DataFrame) -> np.ndarray:
    return rounded(predictor.score(model, features, problem.TASK))


def rounded(scores: np.ndarray) -> np.ndarray:
    """Return scores rounded to SCORE_BITS bits; further bits depend on the instruction set of the processor."""
    mantissa, exponent = np.frexp(scores)
    scaled: np.ndarray = np.ldexp(np.round(mantissa * 2.0**SCORE_BITS), exponent - SCORE_BITS)
    return scaled


if __name__ == "__main__":
    with reported_by("evaluate"):
        evaluate(*map(Path, sys.argv[1:]))
