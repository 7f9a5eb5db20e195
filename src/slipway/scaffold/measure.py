"""Measurements of the fork's new problem, in a separate process, because `slipway new` started with another problem.

`python -m slipway.scaffold.measure import ANSWER` imports the files of incoming/; `training` measures the estimator on
the data, as tests/convergence does; `probe` measures the label probe, as the stage `data` does; `comparison` measures
the trained model and the baselines, as `slipway compare`.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

import problem
from slipway import predictor
from slipway.checks import convergence, data, files, suites
from slipway.checks.probe import Probe
from slipway.errors import DataError, UserError
from slipway.evaluation import metrics
from slipway.evaluation.calibration import mean_gap
from slipway.evaluation.segments import ALL
from slipway.files import read_json
from slipway.gates.comparison import primary
from slipway.pull_request import compare
from slipway.scaffold.measurements import (
    ComparisonMeasurement,
    ImportedFiles,
    ProbeMeasurement,
    TrainingMeasurement,
)
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from pydantic import BaseModel

    from slipway.settings import Settings

DATA = Path("data")
METRICS = Path("metrics/evaluate.json")
VALIDATION_RATIO = 0.25  # of the training rows, on which the number of trees is chosen
TREES_ROWS = 20_000  # training rows for that choice
TREES_MAX = 300
TREES_MIN = 40  # fewer trees cannot overfit a small sample, which the tests of training require
PROBED_FILES_MAX = 6  # each reads the files before it, and fits a model


def import_files() -> ImportedFiles:
    """Import every file of incoming/ by `next_batch`, and verify that the data can be split."""
    DATA.mkdir(exist_ok=True)
    try:
        while problem.next_batch(DATA):
            pass
    except ValueError as error:  # a value of the wrong type
        raise DataError(str(error)) from None
    frame = problem.load(DATA)
    train, test = problem.split(frame[frame[problem.TARGET].notna()], read_settings().for_problem())
    if unknown := _unknown(train[problem.TARGET], test[problem.TARGET]):
        raise DataError(unknown)
    return ImportedFiles(files=files.listed(DATA))


def _unknown(train: pd.Series, test: pd.Series) -> str:
    """Return why a model of the train rows cannot be evaluated on the test rows, or an empty string."""
    if not len(train) or not len(test):
        return f"{len(train)} train and {len(test)} test rows; the time column has too few distinct values for a split"
    if problem.TASK != "regression" and (lost := set(test) ^ set(train)):
        return f"{problem.TARGET}: {lost.pop()} is not in both train and test rows; omit --time, or drop it"
    return ""


def training() -> TrainingMeasurement:
    """Return the best number of trees on held-out training rows, and the convergence evidence with it."""
    settings = read_settings()
    params = settings.for_problem()
    subject, larger = _subjects(settings)
    trees = _trees(larger, params)
    del larger
    params["model"]["max_iter"] = trees
    chosen = replace(subject, build=lambda: problem.build_model(params))
    evidence = convergence.evidence(chosen, settings.convergence.small_rows)
    return TrainingMeasurement(trees=trees, convergence=evidence)


def _subjects(settings: Settings) -> tuple[convergence.Subject, convergence.Subject]:
    """Return the subject of the tests of training, and the one on which the number of trees is chosen.

    The second has `TREES_ROWS` training rows where the first has fewer because it has many columns.
    """
    train, test = convergence.sides(DATA, settings)
    subject, limits = convergence.sampled(train, test, settings), settings.convergence
    if len(subject.train) < limits.train_rows or limits.train_rows >= TREES_ROWS:
        return subject, subject
    more = settings.model_copy(update={"convergence": limits.model_copy(update={"train_rows": TREES_ROWS})})
    return subject, convergence.sampled(train, test, more)


def _trees(subject: convergence.Subject, params: Mapping[str, Any]) -> int:
    many = {**params, "model": {**params["model"], "max_iter": TREES_MAX}}
    held_out = np.random.default_rng(subject.seed).random(len(subject.train)) < VALIDATION_RATIO
    rows, target = subject.train[~held_out], subject.train_target[~held_out]
    estimator = problem.build_model(many).fit(rows, target)
    labels = subject.train_target[held_out]
    if subject.task == "multiclass":
        labels = np.searchsorted(estimator.classes_, labels)
    loss = metrics.loss_of(subject.task)
    losses = [
        loss.value(labels, scores) for scores in predictor.staged(estimator, subject.train[held_out], subject.task)
    ]
    return max(TREES_MIN, round(int(np.argmin(losses)) + 1, -1))


def comparison() -> ComparisonMeasurement:
    """Return the comparison of the trained model with the baselines."""
    settings = read_settings()
    evidence = compare.measure(None, None, settings)
    gains = {name: primary(rows[ALL], settings.gates.primary).gain for name, rows in evidence.baselines.items()}
    return ComparisonMeasurement(
        rows=evidence.rows,
        metrics=read_json(METRICS),
        gains=gains,
        calibration=mean_gap(evidence.calibration),
    )


def probe() -> ProbeMeasurement:
    """Return the minimum skill of a linear model that is fitted on the files before, over files evenly spaced."""
    settings, names = read_settings(), files.listed(DATA)
    skills = []
    for new in suites.spread(names[1:] or names, PROBED_FILES_MAX):
        older = suites.spread(names[: names.index(new)], settings.data.suites.reference_files)
        fresh, reference = data.tables(DATA, [new], older, settings)
        skills.append(Probe(reference).skill(fresh))
    return ProbeMeasurement(skill=float(min(skills)))


MEASUREMENTS: dict[str, Callable[[], BaseModel]] = {
    "import": import_files,
    "training": training,
    "probe": probe,
    "comparison": comparison,
}


def main(measurement: str, answer: Path) -> None:
    """Run a measurement and write its result to `answer`."""
    warnings.simplefilter("ignore")  # of the estimators
    with threadpool_limits(1):  # waiting threads slow a busy machine down many times
        result = MEASUREMENTS[measurement]()
    answer.write_text(result.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except UserError as error:
        sys.exit(str(error))
