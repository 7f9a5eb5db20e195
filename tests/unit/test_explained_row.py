"""The test row that a comparison explains: its prediction changes most, or else differs most from the mean."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from slipway.explainer import Explainer
from slipway.pull_request import explained
from slipway.settings import read_settings

FEATURES = pd.DataFrame({"a": [1.0, 2.0, 5.0], "secret": [0.0, 10.0, 0.0]}, dtype="float32")
COLUMNS = [{"name": name, "kind": "number"} for name in FEATURES]
SCORES = np.array([1.0, 12.0, 5.0])


@pytest.fixture(autouse=True)
def background(monkeypatch):
    """Let the release have two background rows, without the column `secret`, which `Row` redacts."""
    of(monkeypatch, lambda a, secret: a + secret, [])


def of(monkeypatch, function, classes):
    def predict(columns):
        return function(*(np.asarray(columns[name], float) for name in FEATURES))

    signature = {"task": "regression", "classes": classes, "columns": COLUMNS}
    model = SimpleNamespace(signature=signature, predict=predict)
    monkeypatch.setattr(explained.predictor, "load", lambda _: model)
    monkeypatch.setattr(explained, "read_explainer", lambda *_: Explainer(model, {"a": [0.0, 1.0]}, 1))


def row(champion: np.ndarray | None, scores: np.ndarray = SCORES):
    return explained.explained_row(
        Path("model"), lambda place: FEATURES.iloc[[place]], scores, champion, read_settings()
    )


def test_the_row_whose_prediction_changes_most_is_explained_without_redacted_columns():
    result = row(np.array([1.0, 11.0, 9.0]))
    assert (2, 5.0, 9.0, 0.5) == (result.row, result.prediction, result.champion, result.base)
    assert [("a", 4.5)] == [(part.column, part.value) for part in result.contributions]


@pytest.mark.parametrize("champion", [None, SCORES])
def test_without_a_change_the_prediction_that_differs_most_from_the_mean_is_explained(champion):
    result = row(champion)
    assert (1, 12.0, None) == (result.row, result.prediction, result.champion)


def test_of_several_classes_the_one_that_changes_most_is_explained(monkeypatch):
    of(monkeypatch, lambda a, _: np.stack([a / 10, 1 - a / 10], axis=1), ["early", "late"])
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5]])
    result = row(scores + np.array([[0, 0], [0, 0.1], [0, 0]]), scores)
    assert (1, "late", 0.8) == (result.row, result.category, pytest.approx(result.prediction))
    assert 0.9 == pytest.approx(result.champion)
    assert -0.15 == pytest.approx(result.contributions[0].value)


def test_a_model_that_returns_nan_for_a_mixture_is_not_explained(monkeypatch, capsys):
    of(monkeypatch, lambda a, _: np.where(a == 0, np.nan, a), [])
    assert row(None) is None
    assert "test row 1 is not explained: the model returned NaN" in "".join(capsys.readouterr())
