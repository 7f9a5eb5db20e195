"""Estimators of libraries that onnxmltools converts, with a stub of either library; findings/ has the real ones."""

from __future__ import annotations

import sys
from importlib.util import spec_from_loader
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel
from skl2onnx.operator_converters.linear_regressor import convert_sklearn_linear_regressor
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from slipway import predictor
from slipway.pipeline import export, onnx_converters
from slipway.settings.training import ExportSection

ROWS = pd.DataFrame({"size": np.arange(40, dtype="float32")})
CLASS = "lightgbm.sklearn.LGBMRegressor"
SETTINGS = ExportSection(parity_tolerance=1e-5, conversion_seconds=30, trusted_types=[CLASS])


class Row(BaseModel):
    size: float


def _doubled(scope, operator, container):
    operator.raw_operator.coef_ = operator.raw_operator.coef_ * 2
    convert_sklearn_linear_regressor(scope, operator, container)
    operator.raw_operator.coef_ = operator.raw_operator.coef_ / 2


@pytest.fixture
def exported(monkeypatch, tmp_path):
    """Return a function that exports a model of a stub of LightGBM; returns its format and why it is not in ONNX."""
    for name, value in {"TASK": "regression", "TARGET": "value", "Row": Row}.items():
        monkeypatch.setattr(export.problem, name, value)
    regressor = type("LGBMRegressor", (LinearRegression,), {"__module__": "lightgbm.sklearn"})
    library = ModuleType("lightgbm.sklearn")
    library.LGBMRegressor = regressor
    monkeypatch.setitem(sys.modules, "lightgbm", SimpleNamespace(sklearn=library))
    monkeypatch.setitem(sys.modules, "lightgbm.sklearn", library)

    def run(converter=None) -> tuple[str, str]:
        module, name, _ = onnx_converters.CONVERTERS["lightgbm"]
        tools = ModuleType("onnxmltools")
        tools.__spec__ = spec_from_loader("onnxmltools", None)
        monkeypatch.setitem(sys.modules, "onnxmltools", tools if converter else None)
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: converter}))
        estimator = make_pipeline(make_column_transformer(("passthrough", ["size"])), regressor())
        parity, why = export.write_model(
            estimator.fit(ROWS, 3 * ROWS["size"] + 1), tmp_path / "model", [ROWS], SETTINGS
        )
        assert parity.difference <= SETTINGS.parity_tolerance
        return predictor.signature(tmp_path / "model")["format"], why

    return run


def test_a_model_that_onnxmltools_converts_is_in_onnx(exported):
    assert ("onnx", "") == exported(convert_sklearn_linear_regressor)


def test_a_wrong_conversion_is_in_skops_with_the_difference(exported):
    model_format, why = exported(_doubled)
    assert "skops" == model_format
    assert why.startswith("its predictions would differ by ")


def test_without_onnxmltools_it_is_in_skops_with_the_reason(exported):
    model_format, why = exported()
    assert "skops" == model_format
    assert f"no converter for lightgbm; run `{onnx_converters.INSTALL}`" in why
