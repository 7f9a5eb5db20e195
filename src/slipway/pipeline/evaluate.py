"""Stage `evaluate`: metrics of the exported model and of the baselines on the test rows.

`python -m slipway.pipeline.evaluate MODEL PREPARED PREDICTIONS METRICS IMPORTANCE`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.errors import reported_by
from slipway.evaluation import metrics
from slipway.evaluation.baselines import baselines
from slipway.files import write_json
from slipway.pipeline.tables import positions, read_rows
from slipway.settings import read_settings

SCORE_BITS = 20  # six decimal digits; a linear model's scores differ in bit 45 between processors


def evaluate(model: Path, prepared: Path, predictions: Path, metrics_file: Path, importance_file: Path) -> None:
    """Write predictions and metrics of model and baselines on the test rows, and the importance of each column."""
    features, target = read_rows(prepared / "test.parquet")
    scorer = predictor.load(model)
    scores = {
        "model": scorer.predict({str(name): features[name].to_numpy() for name in features}),
        **_baseline_scores(prepared, features),
    }
    y = positions(target, scorer.signature["classes"])
    predictions.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({name: list(score) for name, score in scores.items()}).to_parquet(predictions, index=False)
    write_json(metrics_file, {name: _metrics(y, score) for name, score in scores.items()})
    write_json(importance_file, importance(scorer, features, y))


def _metrics(y: np.ndarray, score: np.ndarray) -> dict[str, float]:
    return {metric.name: metric.value(y, score) for metric in metrics.for_task(problem.TASK).values()}


def importance(scorer: predictor.Predictor, features: pd.DataFrame, y: np.ndarray) -> dict[str, float]:
    """Return the permutation importance of each column: the loss of the primary metric when it is shuffled.

    Empty where the metric is undefined on the test rows, such as ROC AUC on rows of one class.
    Source: Breiman, Random Forests, 2001.
    """
    settings = read_settings()
    random = np.random.default_rng(settings.seed)
    order, target = random.permutation(len(features)), y
    metric = metrics.primary(problem.TASK, settings.gates.primary)
    for rows in (order[: settings.evaluate.importance_rows], order):  # a sample may lack a rare class
        columns, y = {str(name): features[name].to_numpy()[rows] for name in features}, target[rows]
        whole = metric.value(y, scorer.predict(columns))
        if np.isfinite(whole):
            break
    else:
        return {}
    shuffled = {name: scorer.predict({**columns, name: random.permutation(columns[name])}) for name in columns}
    return {name: float(metric.gain(whole - metric.value(y, score))) for name, score in shuffled.items()}


def _baseline_scores(prepared: Path, features: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the predictions of each baseline, fitted on a sample: more rows do not improve a linear model."""
    settings = read_settings()
    rows, target = read_rows(prepared / "train.parquet")
    sample = rows.sample(min(len(rows), settings.evaluate.baseline_rows), random_state=settings.seed).index
    fitted = {
        name: model.fit(rows.loc[sample], target[sample])
        for name, model in baselines(problem.TASK, problem.Row).items()
    }
    return {name: rounded(predictor.score(model, features, problem.TASK)) for name, model in fitted.items()}


def rounded(scores: np.ndarray) -> np.ndarray:
    """Return scores rounded to SCORE_BITS bits; further bits depend on the instruction set of the processor."""
    mantissa, exponent = np.frexp(scores)
    scaled: np.ndarray = np.ldexp(np.round(mantissa * 2.0**SCORE_BITS), exponent - SCORE_BITS)
    return scaled


if __name__ == "__main__":
    with reported_by("evaluate"):
        evaluate(*map(Path, sys.argv[1:]))
