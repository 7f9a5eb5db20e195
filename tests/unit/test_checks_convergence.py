"""Tests of each property of training, on small synthetic problems of all three tasks, with a fault that violates it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.ensemble import HistGradientBoostingClassifier as Boosting
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

from slipway.checks import convergence
from slipway.gates import Outcome
from slipway.gates.convergence import verdict
from slipway.settings import read_settings
from tests.params import VALID

LIMITS = read_settings(VALID).convergence.model_copy(
    update={"loss_fall": 0.02, "overfit_fall": 0.5, "chance_skill": 0.2, "baseline_margin": 0.01}
)
ROWS, TEST_ROWS, SMALL_ROWS, SEED = 600, 600, 60, 7
CLASSES = np.array(["low", "middle", "high"])

MEASURES = {
    "loss_falls": convergence.loss_falls,
    "overfits": lambda subject: convergence.overfits(subject, SMALL_ROWS),
    "shuffled": convergence.shuffled,
    "finite": convergence.finite,
    "repeats": convergence.repeats,
    "beats_baselines": convergence.beats_baselines,
}


class Thing(BaseModel):
    size: float
    weight: float | None
    color: Literal["red", "blue"]


def encoded(*steps: BaseEstimator) -> BaseEstimator:
    categories = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((categories, ["color"]), remainder="passthrough"), *steps)


BUILDERS = {
    "binary": lambda: encoded(Boosting(random_state=SEED, min_samples_leaf=5)),
    "multiclass": lambda: encoded(RandomForestClassifier(40, random_state=SEED)),
    "regression": lambda: encoded(SimpleImputer(), GradientBoostingRegressor(random_state=SEED)),
}


def things(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features, and a value that is not linear in them."""
    rng = np.random.default_rng(seed)
    size, weight, red = rng.normal(size=rows), rng.normal(size=rows), rng.integers(0, 2, rows)
    features = pd.DataFrame({"size": size, "weight": weight}, dtype="float32")
    features["color"] = np.where(red, "red", "blue")
    return features, np.abs(size) * 2 + red + rng.normal(scale=0.1, size=rows)


def target(task: str, value: np.ndarray) -> np.ndarray:
    if task == "regression":
        return value
    return (value > 2.0) * 1.0 if task == "binary" else CLASSES[np.digitize(value, [1.3, 2.6])]


def synthetic(task: str) -> convergence.Subject:
    train, value = things(ROWS, 1)
    test, test_value = things(TEST_ROWS, 2)
    targets = target(task, value), target(task, test_value)
    return convergence.Subject(task, Thing, BUILDERS[task], train, targets[0], test, targets[1], SEED)


class Broken(ClassifierMixin, BaseEstimator):
    """A working classifier; subclasses break one property."""

    def fit(self, features, labels):
        self.inner_ = BUILDERS["binary"]().fit(features, labels)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, features):
        return self.inner_.predict_proba(features)


class Constant(Broken):
    def predict_proba(self, features):
        return np.full((len(features), 2), 0.5)


class LeakedLabels(Broken):
    """A classifier with a leak: it reads the held-out labels by position."""

    answers = synthetic("binary").test_target

    def predict_proba(self, features):
        positive = self.answers[features.index.to_numpy() % len(self.answers)]
        return np.column_stack([1 - positive, positive])


class NanOnMissing(Broken):
    def predict_proba(self, features):
        return np.where(features[["weight"]].isna(), np.nan, super().predict_proba(features))


class CrashesOnMissing(Broken):
    def predict_proba(self, features):
        if features["weight"].isna().any():
            raise ValueError("Input contains NaN")
        return super().predict_proba(features)


class Unseeded(Broken):
    def predict_proba(self, features):
        return np.clip(
            super().predict_proba(features) + np.random.default_rng().normal(0, 1e-9, (len(features), 2)), 0, 1
        )


FAULTS = [
    ("loss_falls", Constant),
    ("overfits", Constant),
    ("shuffled", LeakedLabels),
    ("finite", NanOnMissing),
    ("finite", CrashesOnMissing),
    ("repeats", Unseeded),
    ("beats_baselines", Constant),
]


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module", params=BUILDERS)
def subject(request):
    return synthetic(request.param)


@pytest.mark.parametrize("name", MEASURES)
def test_working_estimator_passes(subject, name):
    judged = verdict(name, MEASURES[name](subject), LIMITS)
    assert judged.outcome is Outcome.PASS, judged.observed


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_broken_estimator_fails(name, fault):
    evidence = MEASURES[name](replace(synthetic("binary"), build=fault))
    assert verdict(name, evidence, LIMITS).outcome is Outcome.FAIL


@pytest.mark.parametrize("rare", [1, 9, 10, 500])
def test_a_sample_has_rows_of_a_rare_class(rare):
    target = np.zeros(10_000)
    target[-rare:] = 1
    drawn = convergence.with_every_class(np.arange(100), target)
    assert min(rare, convergence.CLASS_ROWS_MIN) == target[drawn].sum()
    assert list(range(100)) == drawn[:100].tolist()
    assert len(drawn) == len(set(drawn.tolist()))


@pytest.mark.parametrize("task", BUILDERS)
def test_a_sample_larger_than_the_data_has_all_rows(task):
    whole = synthetic(task)
    assert len(whole.train) == len(whole.head(10 * len(whole.train)).train)


def test_a_small_sample_with_a_rare_class_can_be_trained_on():
    whole = synthetic("binary")
    ordered = np.argsort(whole.train_target, kind="stable")
    whole = replace(whole, train=whole.train.iloc[ordered], train_target=whole.train_target[ordered])
    assert {0, 1} == set(whole.head(50).train_target)
    assert verdict("overfits", MEASURES["overfits"](whole), LIMITS).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("task", "over"), [("binary", "iterations"), ("multiclass", "training rows"), ("regression", "iterations")]
)
def test_loss_is_measured_over_iterations_where_the_estimator_has_stages(task, over):
    assert over == convergence.loss_falls(synthetic(task)).over
