"""Checks of training: six properties of any estimator that learns, measured on a sample of the problem's own data.

Each function takes a `Subject` and returns evidence, which `slipway.gates.convergence` judges. The functions use the
problem's interface only, so they apply to every fork and to all three tasks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from slipway import predictor
from slipway.checks.file_samples import PlaceSampler
from slipway.evaluation import metrics
from slipway.evaluation.baselines import baselines
from slipway.evaluation.skill import skill
from slipway.gates.convergence_evidence import ConvergenceEvidence, Digests, LossFall, ShuffledSkill, SmallSampleLoss
from slipway.schema import missing
from slipway.schema.columns import columns
from slipway.schema.features import to_features
from slipway.schema.fields import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pydantic import BaseModel
    from sklearn.base import BaseEstimator

    from slipway.settings import Settings

HUGE = 3.0e38  # just below the maximum of float32, in which models compute
SCORED_ROWS = 2000  # training rows on which the loss of each iteration is computed; there are hundreds of iterations
CLASS_ROWS_MIN = 10  # rows of each class in a sample; a fork's rare class may be one row in a thousand
SHUFFLES = 5  # one shuffle has a skill of 0.2 by chance where features are few; a leak has it every time
CURVE_DIVISORS = (16, 4, 1)  # of the training rows, for estimators that do not train in stages
UNKNOWN_CATEGORY = "not in the training rows"


@dataclass(frozen=True)
class Subject:
    """The subject of the checks: a factory of the estimator, and the rows to train and to test it on.

    Features have the columns of `row` as `to_features` returns them; targets have shape (n,).
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
        """Return a new estimator, fitted on the training rows."""
        return self.build().fit(self.train, self.train_target)

    @cached_property
    def fitted(self) -> BaseEstimator:
        """Return one fitted estimator for all checks that do not change it."""
        return self.fit()

    def head(self, rows: int) -> Subject:
        """Return a subject with the first `rows` training rows, and the first few rows of each class in addition."""
        kept = np.arange(min(rows, len(self.train_target)))
        if self.task != "regression":
            kept = with_every_class(kept, self.train_target)
        return replace(self, train=self.train.iloc[kept].reset_index(drop=True), train_target=self.train_target[kept])


def subject(data_dir: Path, settings: Settings) -> Subject:
    """Return the problem's own estimator with a sample of its own data, split as for training.

    Where the problem reads rows in batches, only those of the sample are in memory, and 17 bytes for each other row.
    """
    import problem

    load_batches, is_test = getattr(problem, "load_batches", None), getattr(problem, "is_test", None)
    if load_batches is None or is_test is None:
        return sampled(*sides(data_dir, settings), settings)
    rule = is_test(data_dir, settings.for_problem())

    def read() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        for batch in load_batches(data_dir):
            labeled = batch[batch[problem.TARGET].notna()]
            chosen = rule(labeled).to_numpy(dtype=bool)
            yield labeled[~chosen], labeled[chosen]

    return _subject(*_drawn(read, settings), settings)


def _drawn(
    read: Callable[[], Iterable[tuple[pd.DataFrame, pd.DataFrame]]], settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the samples of both sides, whose rows `read` yields in batches, in as many passes as it is called."""
    import problem

    labels: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for rows in read():
        for parts, part in zip(labels, rows, strict=True):
            parts.append(_target(part[problem.TARGET], problem.TASK))
    limits = settings.convergence
    train, test = (
        PlaceSampler(_places(np.concatenate(parts), size, settings.seed, problem.TASK))
        for parts, size in zip(labels, (limits.train_rows, limits.test_rows), strict=True)
    )
    for train_rows, test_rows in read():
        train.add(train_rows)
        test.add(test_rows)
    return train.frame(), test.frame()


def sides(data_dir: Path, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all labeled rows of the problem, split as for training."""
    import problem

    frame = problem.load(data_dir)
    train, test = problem.split(frame[frame[problem.TARGET].notna()], settings.for_problem())
    return train, test


def sampled(train: pd.DataFrame, test: pd.DataFrame, settings: Settings) -> Subject:
    """Return the problem's own estimator with a sample of the rows of both sides."""
    return _subject(*_drawn(lambda: [(train, test)], settings), settings)


def _subject(train: pd.DataFrame, test: pd.DataFrame, settings: Settings) -> Subject:
    import problem

    params = settings.for_problem()
    return Subject(
        problem.TASK,
        problem.Row,
        lambda: problem.build_model(params),
        train=to_features(train, problem.Row),
        train_target=_target(train[problem.TARGET], problem.TASK),
        test=to_features(test, problem.Row),
        test_target=_target(test[problem.TARGET], problem.TASK),
        seed=settings.seed,
    )


def _places(target: np.ndarray, rows: int, seed: int, task: str) -> np.ndarray:
    """Return the places of at most `rows` rows, and of some of each class in addition."""
    drawn: np.ndarray = np.random.RandomState(seed).choice(len(target), min(rows, len(target)), replace=False)
    return drawn if task == "regression" else with_every_class(drawn, target)


def with_every_class(drawn: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the positions `drawn`, completed to `CLASS_ROWS_MIN` rows of each class where there are as many.

    target: class of every row, shape (n,). A model cannot be trained or judged on a sample that lacks a rare class.
    """
    is_free = np.ones(len(target), dtype=bool)
    is_free[drawn] = False
    for label in pd.unique(target):
        lacking = CLASS_ROWS_MIN - int((target[drawn] == label).sum())
        drawn = np.append(drawn, np.flatnonzero(is_free & (target == label))[: max(0, lacking)])
    return drawn


def _target(values: pd.Series, task: str) -> np.ndarray:
    return values.to_numpy() if task == "multiclass" else values.to_numpy(dtype=float)


def loss_falls(subject: Subject) -> LossFall:
    """Return the loss at the start and at the end of training, over iterations.

    For an estimator without stages, return the held-out loss over growing samples of the training rows.
    """
    rows, target = subject.train.head(SCORED_ROWS), subject.train_target[:SCORED_ROWS]
    stages = predictor.staged(subject.fitted, rows, subject.task)
    losses, over = [_loss(subject, subject.fitted, target, scores) for scores in stages], "iterations"
    if not losses:
        losses, over = (
            [_test_loss(subject.head(len(subject.train) // divisor)) for divisor in CURVE_DIVISORS],
            "training rows",
        )
    return LossFall(over=over, first=losses[0], last=losses[-1])


def _test_loss(subject: Subject) -> float:
    estimator = subject.fitted
    scores = predictor.score(estimator, subject.test, subject.task)
    return _loss(subject, estimator, subject.test_target, scores)


def _loss(subject: Subject, estimator: BaseEstimator, target: np.ndarray, scores: np.ndarray) -> float:
    positions = pd.Index(estimator.classes_).get_indexer(target) if subject.task == "multiclass" else target
    return metrics.loss_of(subject.task).value(positions, scores)


def overfits(subject: Subject, rows: int) -> SmallSampleLoss:
    """Return the loss on `rows` training rows of the estimator and of a dummy, both fitted on these rows."""
    small = subject.head(rows)
    small = replace(small, test=small.train, test_target=small.train_target)
    dummy = replace(small, build=lambda: baselines(subject.task, subject.row)["dummy"])
    return SmallSampleLoss(model=_test_loss(small), dummy=_test_loss(dummy))


def shuffled(subject: Subject) -> ShuffledSkill:
    """Return the mean skill on held-out rows after training on shuffled labels: chance, unless a column leaks."""
    rng = np.random.default_rng(subject.seed)
    skills = []
    for _ in range(SHUFFLES):
        mixed = replace(subject, train_target=rng.permutation(subject.train_target))
        skills.append(_skill(mixed, mixed.fitted))
    return ShuffledSkill(skill=float(np.mean(skills)))


def _classes(estimator: BaseEstimator) -> list[Any]:
    return list(getattr(estimator, "classes_", []))


def finite(subject: Subject) -> dict[str, int | str]:
    """Return for each kind of unusual input the number of predictions that are not finite, or the error."""
    counts = {name: _not_finite(subject, rows) for name, rows in _unusual(subject).items()}
    constant = subject.train.assign(**_typical(subject.train))
    return counts | {"constant columns in training": _not_finite(replace(subject, train=constant), constant)}


def _typical(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the most frequent value of each column that has one."""
    return {str(name): modes.iloc[0] for name in rows if len(modes := rows[name].mode())}


def _unusual(subject: Subject) -> dict[str, pd.DataFrame]:
    """Return some test rows, changed in each way that `finite` checks."""
    rows, described = subject.test.head(100), columns(subject.row)
    numbers = [column.name for column in described if column.kind == "number"]
    open_lists = [
        field.name for field in fields(subject.row).values() if field.type == "string" and field.categories is None
    ]
    absent = {column.name: missing.FEATURES[column.kind] for column in described if column.nullable}
    return {
        "missing": rows.assign(**absent),
        "huge": rows.assign(**dict.fromkeys(numbers, np.float32(HUGE))),
        "huge and negative": rows.assign(**dict.fromkeys(numbers, np.float32(-HUGE))),
        "zero": rows.assign(**dict.fromkeys(numbers, np.float32(0))),
        "unknown categories": rows.assign(**dict.fromkeys(open_lists, UNKNOWN_CATEGORY)),
        "one row": rows.head(1),
    }


def _not_finite(subject: Subject, rows: pd.DataFrame) -> int | str:
    try:
        return int((~np.isfinite(predictor.score(subject.fitted, rows, subject.task))).sum())
    except Exception as error:  # noqa: BLE001  any error of the estimator is evidence
        return f"{type(error).__name__}: {error}".splitlines()[0]


def repeats(subject: Subject) -> Digests:
    """Return the digests of the held-out predictions of two estimators with equal training."""
    return Digests(digests=(digest(subject.fitted, subject), digest(subject.fit(), subject)))


def digest(estimator: BaseEstimator, subject: Subject) -> str:
    """Return the SHA-256 of the held-out predictions as float64."""
    scores = predictor.score(estimator, subject.test, subject.task)
    return hashlib.sha256(np.ascontiguousarray(scores, dtype=np.float64).tobytes()).hexdigest()


def beats_baselines(subject: Subject) -> dict[str, float]:
    """Return the skill on held-out rows of the estimator and of each baseline, trained on the same rows."""
    rivals = {
        name: estimator.fit(subject.train, subject.train_target)
        for name, estimator in baselines(subject.task, subject.row).items()
    }
    return {name: _skill(subject, estimator) for name, estimator in {"model": subject.fitted, **rivals}.items()}


def _skill(subject: Subject, estimator: BaseEstimator) -> float:
    scores = predictor.score(estimator, subject.test, subject.task)
    return skill(subject.task, _classes(estimator), subject.test_target, scores)


def evidence(subject: Subject, small_rows: int) -> ConvergenceEvidence:
    """Return the evidence of all six checks."""
    return ConvergenceEvidence(
        loss_falls=loss_falls(subject),
        overfits=overfits(subject, small_rows),
        shuffled=shuffled(subject),
        finite=finite(subject),
        repeats=repeats(subject),
        beats_baselines=beats_baselines(subject),
    )
