"""The exported model predicts what was trained, whatever ONNX can express, and whatever its converter thinks it can."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from slipway import predictor
from slipway.pipeline import export

TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TRUSTED = [TREES, "numpy.log1p", "numpy.expm1", "functools.partial", "sklearn.utils.validation.check_array"]
PARAMS = {"parity_tolerance": 1e-5, "trusted_types": TRUSTED}
RANDOM = np.random.default_rng(1)
ROWS = pd.DataFrame(
    {"size": RANDOM.uniform(1, 100, 400).astype("float32"), "kind": RANDOM.choice(["a", "b", "c", "d"], 400)}
)
VALUES = ROWS["size"] * ROWS["kind"].map({"a": 1.0, "b": 3.0, "c": 1.5, "d": 2.0}) + 1


class Row(BaseModel):
    size: float
    kind: Literal["a", "b", "c", "d"]


def _boosted(**arguments):
    encode = make_column_transformer((OrdinalEncoder(), ["kind"]), ("passthrough", ["size"]))
    return make_pipeline(encode, HistGradientBoostingRegressor(max_iter=10, random_state=1, **arguments))


@pytest.fixture
def exported(monkeypatch, tmp_path):
    monkeypatch.setattr(export.problem, "Row", Row)
    monkeypatch.setattr(export.problem, "TASK", "regression")
    monkeypatch.setattr(export.problem, "TARGET", "value")

    def run(estimator, **params) -> tuple[str, float, str]:
        model = tmp_path / "model"
        difference, why = export.write_model(estimator.fit(ROWS, VALUES), model, ROWS, PARAMS | params)
        assert {"signature.json", f"model.{predictor.signature(model)['format']}"} == {x.name for x in model.iterdir()}
        return predictor.signature(model)["format"], difference, why

    return run


def test_what_onnx_can_express_is_onnx(exported):
    model_format, difference, why = exported(_boosted())
    assert ("onnx", "") == (model_format, why)
    assert 1e-5 > difference


def test_what_onnx_has_no_words_for_is_skops(exported):
    estimator = TransformedTargetRegressor(_boosted(), func=np.log1p, inverse_func=np.expm1)
    model_format, difference, why = exported(estimator)
    assert ("skops", 0) == (model_format, difference)
    assert why.startswith("MissingShapeCalculator: ")


@pytest.mark.parametrize("wrong", [{"loss": "gamma"}, {"categorical_features": [0]}])
def test_what_the_converter_gets_wrong_without_a_word_is_skops(exported, wrong):
    model_format, difference, why = exported(_boosted(**wrong))
    assert ("skops", 0) == (model_format, difference)
    assert why.startswith("its predictions would differ by ")


def test_a_difference_that_is_allowed_is_onnx(exported):
    assert "onnx" == exported(_boosted(loss="gamma"), parity_tolerance=1e9)[0]
