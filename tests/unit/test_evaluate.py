"""Scores of the baselines are the same wherever they are computed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.pipeline import evaluate
from slipway.pipeline.evaluate import settled
from slipway.settings import read_params


def test_what_differs_in_the_last_digits_is_the_same():
    scores = np.random.default_rng(4).random((1000, 3))
    assert np.array_equal(settled(scores), settled(scores * (1 + 2.0**-45)))
    assert not np.array_equal(settled(scores), settled(scores * (1 + 2.0**-15)))


def test_six_digits_stay_of_large_and_of_small_scores():
    scores = np.array([1 / 3e9, -1 / 3, 1e9 / 3])
    np.testing.assert_allclose(settled(scores), scores, rtol=1e-6)


def test_no_score_and_nothing_stay_what_they_are():
    np.testing.assert_array_equal([0.0, 1.0, np.nan], settled(np.array([0.0, 1.0, np.nan])))


SCORER = SimpleNamespace(predict=lambda columns: columns["x"])


@pytest.mark.parametrize("positives", [0, 1])
def test_a_rare_class_that_a_sample_lacks_is_found_in_all_test_rows(monkeypatch, positives):
    params = read_params()
    params["gates"]["primary"], params["evaluate"]["importance_rows"] = "roc_auc", 10
    monkeypatch.setattr(problem, "TASK", "binary")
    monkeypatch.setattr(evaluate, "read_params", lambda: params)
    y = np.zeros(1000)
    y[np.random.default_rng(params["seed"]).permutation(1000)[-1:]] = positives
    features = pd.DataFrame({"x": y.astype(np.float32), "noise": np.ones(1000, np.float32)})
    found = evaluate.importance(SCORER, features, y)
    assert ({"noise": 0.0} if positives else {}) == {name: value for name, value in found.items() if name == "noise"}
    assert bool(positives) == (found.get("x", 0) > 0)
