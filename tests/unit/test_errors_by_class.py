"""The ROC curve, confusion counts and costs equal those of scikit-learn, and their intervals hold what they state."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_curve

from slipway.evaluation import errors_by_class, metrics
from slipway.evaluation.calibration import deciles, mean_interval, residuals
from slipway.pull_request import compare
from slipway.settings import read_settings

RANDOM = np.random.default_rng(1)
Y = RANDOM.integers(0, 2, 400)
SCORE = np.round(np.clip(0.3 * Y + RANDOM.random(400) * 0.7, 0, 1), 2)  # with ties


def _roc(y: np.ndarray, score: np.ndarray, champion: np.ndarray | None = None) -> list:
    return errors_by_class.roc(y, score, champion, resamples=100, confidence=0.9, seed=1)


def test_the_curve_is_that_of_scikit_learn_within_its_interval():
    points = _roc(Y, SCORE, SCORE)
    false, true, _ = roc_curve(Y, SCORE, drop_intermediate=False)
    expected = np.interp([point.false_positives for point in points], false, true)
    assert np.allclose(expected, [point.true_positives for point in points])
    assert np.allclose(expected, [point.champion for point in points])
    assert all(point.low <= point.true_positives <= point.high for point in points[1:-1])
    assert 0.05 < max(point.high - point.low for point in points) < 0.3


def test_each_class_of_several_has_the_curve_and_the_calibration_of_its_own_score_against_the_rest():
    y, scores = RANDOM.integers(-1, 2, 300), RANDOM.dirichlet(np.ones(3), 300)
    paired = compare._PairedComparison(y, scores, {}, read_settings())
    by_class = compare._by_class(paired, scores[:, ::-1], ["low", "mid", "none"])
    curves, calibrations = by_class["roc_by_class"], by_class["calibration_by_class"]
    assert ["low", "mid"] == list(curves) == list(calibrations)
    ordered = np.argsort(scores[:, 1], kind="stable")
    assert np.allclose(
        [[row.predicted, row.observed] for row in calibrations["mid"]],
        [[scores[rows, 1].mean(), (y[rows] == 1).mean()] for rows in np.array_split(ordered, 10)],
    )
    assert all(row.low < row.observed < row.high or row.observed in (0, 1) for row in calibrations["mid"])
    false, true, _ = roc_curve(y == 1, scores[:, 1], drop_intermediate=False)
    assert np.allclose(
        np.interp([point.false_positives for point in curves["mid"]], false, true),
        [point.true_positives for point in curves["mid"]],
    )
    assert [point.champion for point in curves["mid"]] == [point.true_positives for point in curves["mid"]]
    assert [point.champion for point in curves["low"]] != [point.true_positives for point in curves["low"]]


def test_rows_of_one_class_have_no_curve():
    assert [] == _roc(np.ones(10), np.linspace(0, 1, 10))


def test_rows_are_counted_by_actual_and_predicted_class_without_unknown_classes():
    actual, predicted = np.array([0, 1, 2, 2, -1]), np.array([0, 2, 2, 1, 0])
    counts = errors_by_class.counts(actual, predicted, 3)
    assert confusion_matrix(actual[:4], predicted[:4]).tolist() == counts


def test_the_cost_is_the_mean_over_rows_of_what_each_error_costs():
    cost = metrics.cost(0.5, 1.0, 4.0, "euros")
    y, score = np.array([0, 0, 1, 1]), np.array([0.9, 0.5, 0.5, 0.4])  # two false positives, one false negative
    assert (2 * 1 + 4) / 4 == cost.value(y, score)
    assert not cost.higher_is_better


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_the_interval_of_a_mean_outcome_covers_the_true_rate_as_often_as_stated(rate):
    random = np.random.default_rng(2)
    covered = [low <= rate <= high for low, high in (mean_interval(random.random(500) < rate, 0.9) for _ in range(300))]
    assert 0.85 <= np.mean(covered) <= 0.96


def test_deciles_and_residuals_have_the_ends_of_their_intervals():
    prediction = np.linspace(0, 10, 1000)
    y = prediction + RANDOM.normal(0, 1, 1000)
    for row in deciles(y, prediction, 0.95):
        assert row.low < row.observed < row.high
        assert 0.25 < row.high - row.low < 0.6  # 2 * 1.96 / sqrt(100), and the spread within the decile
    for row in residuals(y, prediction):
        assert row.low < -0.8 < row.median < 0.8 < row.high
