"""Tests of the rounding of baseline scores, and of permutation importance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.pipeline import evaluate
from slipway.pipeline.evaluate import rounded
from slipway.settings import read_settings


def test_scores_that_differ_in_the_last_bits_are_equal():
    scores = np.random.default_rng(4).random((1000, 3))
    assert np.array_equal(rounded(scores), rounded(scores * (1 + 2.0**-45)))
    assert not np.array_equal(rounded(scores), rounded(scores * (1 + 2.0**-15)))


def test_large_and_small_scores_keep_six_digits():
    scores = np.array([1 / 3e9, -1 / 3, 1e9 / 3])
    np.testing.assert_allclose(rounded(scores), scores, rtol=1e-6)


def test_zero_one_and_nan_do_not_change():
    np.testing.assert_array_equal([0.0, 1.0, np.nan], rounded(np.array([0.0, 1.0, np.nan])))


SCORER = SimpleNamespace(predict=lambda columns: columns["x"])


@pytest.mark.parametrize("positives", [0, 1])
def test_importance_uses_all_test_rows_where_a_sample_lacks_a_rare_class(monkeypatch, positives):
    shipped = read_settings()
    gates = shipped.gates.model_copy(update={"primary": "roc_auc"})
    sizes = shipped.evaluate.model_copy(update={"importance_rows": 10})
    settings = shipped.model_copy(update={"gates": gates, "evaluate": sizes})
    monkeypatch.setattr(problem, "TASK", "binary")
    monkeypatch.setattr(evaluate, "read_settings", lambda: settings)
    y = np.zeros(1000)
    y[np.random.default_rng(settings.seed).permutation(1000)[-1:]] = positives
    features = pd.DataFrame({"x": y.astype(np.float32), "noise": np.ones(1000, np.float32)})
    importance = evaluate.importance(SCORER, [features], y)
    assert ({"noise": 0.0} if positives else {}) == {
        name: value for name, value in importance.items() if name == "noise"
    }
    assert bool(positives) == (importance.get("x", 0) > 0)
