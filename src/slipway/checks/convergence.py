"""Does training work? Six properties of any estimator that learns, measured on a sample of the problem's own data.

Each function takes a `Subject` and returns evidence; `slipway.gates.convergence` judges it. They know nothing but the
problem's interface, so a fork gets them for free, for all three tasks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from slipway import metrics, predictor
from slipway.baselines import baselines
from slipway.checks.skill import skill
from slipway.features import to_features
from slipway.fields import fields, is_closed
from slipway.schema import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pydantic import BaseModel
    from sklearn.base import BaseEstimator

HUGE = 3.0e38  # just inside float32, in which models compute
SCORED = 2000  # training rows on which the loss of each iteration is taken; there are hundreds of iterations
CLASS_ROWS_MIN = 10  # of each class in a sample; a fork's rare class may be one row in a thousand
SHUFFLES = 5  # chance alone gives one shuffle a skill of 0.2 where features are few; a leak does so every time
CURVE = (16, 4, 1)  # parts of the training rows, for estimators that do not train in stages
STRANGER = "never seen in training"


@dataclass(frozen=True)
class Subject:
    """What is examined: how to build the estimator, and the rows to train and to test it on.

    Features have the columns of `row` as `to_features` makes them; targets have shape (n,).
    """

    task: str
    row: type[BaseModel]
    build: Callable[[], BaseEstimator]
    train: pd.DataFrame
    train_target: np.ndarray
    test: pd.DataFrame
    test_target: np.ndarray
    seed: int

    def fit(self) -> BaseEstimator:
        """A new estimator, fitted on the training rows."""
        return self.build().fit(self.train, self.train_target)

    @cached_property
    def fitted(self) -> BaseEstimator:
        """The same estimator for all who only look at it."""
        return self.fit()

    def head(self, rows: int) -> Subject:
        """Return the same with the first `rows` training rows and, in addition, the first few of each class."""
        kept = np.arange(min(rows, len(self.train_target)))
        if self.task != "regression":
            kept = with_every_class(kept, self.train_target)
        return replace(self, train=self.train.iloc[kept].reset_index(drop=True), train_target=self.train_target[kept])


def subject(data_dir: Path, params: Mapping[str, Any]) -> Subject:
    """The problem's own estimator on a sample of its own data, split as training splits it."""
    import problem

    frame = problem.load(data_dir)
    train, test = problem.split(frame[frame[problem.TARGET].notna()], params)
    limits, seed = params["convergence"], params["seed"]
    parts = {
        name: _sample(part, limits[f"{name}_rows"], seed, None if problem.TASK == "regression" else problem.TARGET)
        for name, part in (("train", train), ("test", test))
    }
    features = {name: to_features(part, problem.Row) for name, part in parts.items()}
    targets = {f"{name}_target": _target(part[problem.TARGET], problem.TASK) for name, part in parts.items()}
    return Subject(problem.TASK, problem.Row, lambda: problem.build_model(params), **features, **targets, seed=seed)


def _sample(frame: pd.DataFrame, rows: int, seed: int, label: str | None) -> pd.DataFrame:
    drawn = np.random.RandomState(seed).choice(len(frame), min(rows, len(frame)), replace=False)
    if label is not None:
        drawn = with_every_class(drawn, frame[label].to_numpy())
    return frame.iloc[drawn].reset_index(drop=True)


def with_every_class(drawn: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the positions `drawn`, and the first rows of each class of which they hold fewer than `CLASS_ROWS_MIN`.

    target: class of every row, shape (n,). A fixed number of rows may lack a rare class, and then no model can be
    trained or judged on them.
    """
    rest = np.setdiff1d(np.arange(len(target)), drawn)
    for label in pd.unique(target):
        lacking = CLASS_ROWS_MIN - int((target[drawn] == label).sum())
        drawn = np.append(drawn, rest[target[rest] == label][: max(0, lacking)])
    return drawn


def _target(values: pd.Series, task: str) -> np.ndarray:
    return values.to_numpy() if task == "multiclass" else values.to_numpy(dtype=float)


def loss_falls(subject: Subject) -> dict[str, Any]:
    """Loss at the start and at the end of training: over iterations where the estimator shows them.

    Where it does not, held-out loss over growing parts of the training rows.
    """
    rows, target = subject.train.head(SCORED), subject.train_target[:SCORED]
    stages = predictor.staged(subject.fitted, rows, subject.task)
    losses, over = [_loss(subject, subject.fitted, target, scores) for scores in stages], "iterations"
    if not losses:
        losses, over = [_test_loss(subject.head(len(subject.train) // part)) for part in CURVE], "training rows"
    return {"over": over, "first": losses[0], "last": losses[-1]}


def _test_loss(subject: Subject) -> float:
    estimator = subject.fitted
    scores = predictor.score(estimator, subject.test, subject.task)
    return _loss(subject, estimator, subject.test_target, scores)


def _loss(subject: Subject, estimator: BaseEstimator, target: np.ndarray, scores: np.ndarray) -> float:
    positions = pd.Index(estimator.classes_).get_indexer(target) if subject.task == "multiclass" else target
    return metrics.loss_of(subject.task).value(positions, scores)


def overfits(subject: Subject, rows: int) -> dict[str, Any]:
    """Loss on `rows` training rows, of an estimator that saw only these and of a dummy that did."""
    small = subject.head(rows)
    small = replace(small, test=small.train, test_target=small.train_target)
    dummy = replace(small, build=lambda: baselines(subject.task, subject.row)["dummy"])
    return {"model": _test_loss(small), "dummy": _test_loss(dummy)}


def shuffled(subject: Subject) -> dict[str, Any]:
    """Skill on held-out rows of estimators trained on shuffled labels, averaged: chance, unless something leaks."""
    rng = np.random.default_rng(subject.seed)
    skills = []
    for _ in range(SHUFFLES):
        mixed = replace(subject, train_target=rng.permutation(subject.train_target))
        skills.append(_skill(mixed, mixed.fitted))
    return {"skill": float(np.mean(skills))}


def _classes(estimator: BaseEstimator) -> list:
    return list(getattr(estimator, "classes_", []))


def finite(subject: Subject) -> dict[str, Any]:
    """For each kind of strange input that can reach the model: how many predictions are not finite, or the error."""
    found = {name: _not_finite(subject, rows) for name, rows in _strange(subject).items()}
    constant = subject.train.assign(**_typical(subject.train))
    return found | {"constant columns in training": _not_finite(replace(subject, train=constant), constant)}


def _typical(rows: pd.DataFrame) -> dict[str, Any]:
    """The most frequent value of each column that has one."""
    return {name: modes.iloc[0] for name in rows if len(modes := rows[name].mode())}


def _strange(subject: Subject) -> dict[str, pd.DataFrame]:
    """Some test rows, disfigured in each way that `finite` looks at."""
    rows, described = subject.test.head(100), columns(subject.row)
    numbers = [column.name for column in described if column.kind == "number"]
    closed = {name for name, field in fields(subject.row).items() if is_closed(field)}
    open_lists = [column.name for column in described if column.kind == "category" and column.name not in closed]
    nullable = [column.name for column in described if column.nullable]
    return {
        "missing": rows.assign(**{name: np.float32("nan") if name in numbers else "" for name in nullable}),
        "huge": rows.assign(**dict.fromkeys(numbers, np.float32(HUGE))),
        "huge and negative": rows.assign(**dict.fromkeys(numbers, np.float32(-HUGE))),
        "zero": rows.assign(**dict.fromkeys(numbers, np.float32(0))),
        "unknown categories": rows.assign(**dict.fromkeys(open_lists, STRANGER)),
        "one row": rows.head(1),
    }


def _not_finite(subject: Subject, rows: pd.DataFrame) -> int | str:
    try:
        return int((~np.isfinite(predictor.score(subject.fitted, rows, subject.task))).sum())
    except Exception as error:  # noqa: BLE001  whatever the estimator raises is the evidence
        return f"{type(error).__name__}: {error}".splitlines()[0]


def repeats(subject: Subject) -> dict[str, Any]:
    """Digest of the held-out predictions of two estimators, built and trained alike."""
    return {"digests": [digest(estimator, subject) for estimator in (subject.fitted, subject.fit())]}


def digest(estimator: BaseEstimator, subject: Subject) -> str:
    """SHA-256 of the held-out predictions, bit by bit."""
    scores = predictor.score(estimator, subject.test, subject.task)
    return hashlib.sha256(np.ascontiguousarray(scores, dtype=np.float64).tobytes()).hexdigest()


def beats_baselines(subject: Subject) -> dict[str, Any]:
    """Skill on held-out rows of the estimator and of each baseline, trained on the same rows."""
    rivals = {
        name: estimator.fit(subject.train, subject.train_target)
        for name, estimator in baselines(subject.task, subject.row).items()
    }
    return {name: _skill(subject, estimator) for name, estimator in {"model": subject.fitted, **rivals}.items()}


def _skill(subject: Subject, estimator: BaseEstimator) -> float:
    scores = predictor.score(estimator, subject.test, subject.task)
    return skill(subject.task, _classes(estimator), subject.test_target, scores)


def evidence(subject: Subject, small_rows: int) -> dict[str, dict[str, Any]]:
    """All six."""
    return {
        "loss_falls": loss_falls(subject),
        "overfits": overfits(subject, small_rows),
        "shuffled": shuffled(subject),
        "finite": finite(subject),
        "repeats": repeats(subject),
        "beats_baselines": beats_baselines(subject),
    }
