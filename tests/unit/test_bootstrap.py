"""Percentile intervals cover the true value, detect a true difference, and are undefined for NaN."""

from __future__ import annotations

import numpy as np
import pytest

from slipway.evaluation import bootstrap, metrics

BINARY = list(metrics.for_task("binary").values())
N = 3000


def _rows(seed: int, quality: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = (random.random(N) < 0.2).astype(float)
    score = 1 / (1 + np.exp(-(quality * (y - 0.5) + random.normal(size=N))))
    return y, score


def _compare(y, candidate, champion, groups=None, **options):
    groups = groups or {"all": np.arange(len(y))}
    options = {"resamples": 300, "confidence": dict.fromkeys(groups, 0.95), "seed": 1} | options
    return bootstrap.compare(y, candidate, champion, BINARY, groups, **options)


def test_a_model_does_not_differ_from_itself():
    y, score = _rows(1)
    assert {(0.0, 0.0, 0.0)} == {
        (row.gain.value, row.gain.low, row.gain.high) for row in _compare(y, score, score)["all"]
    }


def test_the_gain_is_the_difference_of_the_metrics_on_the_rows():
    y, score = _rows(1)
    noisy = np.clip(score + np.random.default_rng(2).normal(0, 0.1, N), 0.01, 0.99)
    (auc, *_) = _compare(y, score, noisy)["all"]
    assert auc.candidate.value - auc.champion.value == pytest.approx(auc.gain.value)


@pytest.mark.parametrize("metric", range(3))
def test_a_worse_candidate_has_a_negative_gain_in_every_metric(metric):
    y, score = _rows(1)
    worse = np.clip(score + np.random.default_rng(2).normal(0, 0.3, N), 0.01, 0.99)
    assert _compare(y, worse, score)["all"][metric].gain.high < 0


def test_the_same_seed_gives_the_same_interval():
    y, score = _rows(1)
    assert _compare(y, score, score**2) == _compare(y, score, score**2)


def test_a_group_has_the_interval_of_its_own_rows():
    y, score = _rows(1)
    groups = {"all": np.arange(N), "half": np.arange(N // 2)}
    (auc, *_) = _compare(y, score, score**2, groups)["half"]
    assert (N // 2, BINARY[0].value(y[: N // 2], score[: N // 2])) == (auc.rows, pytest.approx(auc.candidate.value))


def test_a_prediction_that_is_not_a_number_has_no_interval():
    y, score = _rows(1)
    broken = score.copy()
    broken[0] = np.nan
    assert all(
        np.isnan([row.gain.value, row.gain.low, row.gain.high]).all() for row in _compare(y, broken, score)["all"]
    )


def test_a_group_of_one_class_has_no_area_under_the_curve():
    y, score = _rows(1)
    (auc, *_) = _compare(y, score, score, {"all": np.arange(N), "positives": np.flatnonzero(y == 1)})["positives"]
    assert np.isnan(auc.gain.low)


def test_ninety_percent_intervals_cover_the_true_value_about_ninety_times_in_a_hundred():
    random = np.random.default_rng(5)
    metric = [metrics.for_task("regression")["mae"]]
    covered = 0
    for _ in range(100):
        y = np.zeros(400)
        errors = np.abs(random.normal(size=400))  # mean √(2/π)
        row = bootstrap.compare(
            y, errors, y, metric, {"all": np.arange(400)}, resamples=300, confidence={"all": 0.9}, seed=1
        )
        interval = row["all"][0].candidate
        covered += interval.low <= np.sqrt(2 / np.pi) <= interval.high
    assert 80 <= covered <= 97


def test_a_block_is_drawn_as_a_whole():
    blocks = np.array([3, 3, 7, 7, 7, 1])
    weights = np.concatenate([*bootstrap.block_weights(blocks, 120, seed=1)], axis=1)
    assert (6, 120) == weights.shape
    assert all((weights[blocks == block] == weights[blocks == block][0]).all() for block in (1, 3, 7))
    assert (weights[[0, 2, 5]].sum(axis=0) == 3).all()  # as many draws as blocks
    assert not (weights == 1).all()


def test_the_weights_in_memory_are_bounded_and_the_draws_do_not_depend_on_the_bound(monkeypatch):
    whole = np.hstack(list(bootstrap.row_weights(100, 70, 1)))
    monkeypatch.setattr(bootstrap, "BATCH_WEIGHTS_MAX", 700)
    batches = list(bootstrap.row_weights(100, 70, 1))
    assert 700 == max(batch.size for batch in batches)
    np.testing.assert_array_equal(whole, np.hstack(batches))
    monkeypatch.setattr(bootstrap, "BATCH_WEIGHTS_MAX", 50)
    assert (100, 1) == next(bootstrap.row_weights(100, 70, 1)).shape
