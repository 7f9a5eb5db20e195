"""Metrics equal scikit-learn's, a weight repeats its row, and undefined values are NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from slipway.evaluation import metrics

RANDOM = np.random.default_rng(3)
Y = RANDOM.integers(0, 2, 500).astype(float)
P = np.round(np.clip(Y * 0.3 + RANDOM.random(500) * 0.7, 0.01, 0.99), 2)  # rounded, so that there are ties
CLASSES = RANDOM.integers(0, 3, 500)
PROBABILITIES = RANDOM.dirichlet([1, 1, 1], 500)
VALUES = RANDOM.normal(size=500)
PREDICTIONS = VALUES + RANDOM.normal(size=500)


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("binary", "roc_auc", reference.roc_auc_score(Y, P)),
        ("binary", "log_loss", reference.log_loss(Y, P)),
        ("binary", "brier", reference.brier_score_loss(Y, P)),
        ("multiclass", "log_loss", reference.log_loss(CLASSES, PROBABILITIES)),
        ("multiclass", "accuracy", reference.accuracy_score(CLASSES, PROBABILITIES.argmax(axis=1))),
        ("regression", "rmse", reference.root_mean_squared_error(VALUES, PREDICTIONS)),
        ("regression", "mae", reference.mean_absolute_error(VALUES, PREDICTIONS)),
    ],
)
def test_a_metric_equals_scikit_learns(task, name, expected):
    data = {"binary": (Y, P), "multiclass": (CLASSES, PROBABILITIES), "regression": (VALUES, PREDICTIONS)}
    assert expected == pytest.approx(metrics.for_task(task)[name].value(*data[task]), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"), [("log_loss", -np.log(metrics.PROBABILITY_MIN)), ("accuracy", 0), ("brier", 2)]
)
def test_an_unknown_class_has_probability_zero(name, expected):
    certain = np.array([[0.0, 0.0, 1.0]])
    assert expected == pytest.approx(metrics.for_task("multiclass")[name].value(np.array([-1]), certain))


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier"])
def test_a_weight_of_two_counts_a_row_twice(name):
    weights = RANDOM.integers(0, 4, 500)
    metric = metrics.for_task("binary")[name]
    repeated = metric.value(np.repeat(Y, weights), np.repeat(P, weights))
    assert repeated == pytest.approx(metric.on(Y, P)(weights[:, None].astype(np.float32))[0], rel=1e-6)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 15, 16, 17, 500])
def test_running_sums_equal_those_of_one_row_after_the_other(size, name):
    weights = RANDOM.integers(0, 9, (500, 3)).astype(name)
    rows = RANDOM.permutation(500)[:size]
    expected = np.vstack([np.zeros(3), np.cumsum(weights[rows], axis=0)])
    np.testing.assert_array_equal(metrics._running_sums(weights, rows), expected)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=40))
def test_the_area_under_the_curve_is_between_zero_and_one_or_undefined(rows):
    y, p = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    value = metrics.for_task("binary")["roc_auc"].value(y, p)
    assert np.isnan(value) == (len(set(y)) == 1)
    assert np.isnan(value) or 0 <= value <= 1


def test_one_class_only_has_no_area_under_the_curve():
    assert np.isnan(metrics.for_task("binary")["roc_auc"].value(np.ones(5), np.linspace(0, 1, 5)))


@pytest.mark.parametrize(("task", "name"), [(task, m.name) for task in metrics.METRICS for m in metrics.METRICS[task]])
def test_a_prediction_that_is_not_a_number_leaves_no_metric(task, name):
    y, prediction = {"binary": (Y, P), "multiclass": (CLASSES, PROBABILITIES), "regression": (VALUES, PREDICTIONS)}[
        task
    ]
    broken = prediction.copy()
    broken[0] = np.nan
    assert np.isnan(metrics.for_task(task)[name].value(y, broken))


@pytest.mark.parametrize(("name", "gain"), [("roc_auc", 0.1), ("log_loss", -0.1)])
def test_a_gain_is_positive_where_the_candidate_is_better(name, gain):
    assert gain == metrics.for_task("binary")[name].gain(0.1)
