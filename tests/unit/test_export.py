"""Tests of the export: the exported model returns the predictions of the trained one, in ONNX or else in skops."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field
from ruamel.yaml import YAML
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from slipway import predictor
from slipway.errors import DataError, SettingError
from slipway.pipeline import export
from slipway.settings.training import ExportSection

TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TRUSTED = [TREES, "numpy.log1p", "numpy.expm1", "functools.partial", "sklearn.utils.validation.check_array"]
PARAMS = {"parity_tolerance": 1e-5, "trusted_types": TRUSTED, "conversion_seconds": 30}
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
    monkeypatch.setattr(export.problem, "TASK", "regression")
    monkeypatch.setattr(export.problem, "TARGET", "value")

    def run(estimator, row=Row, train=ROWS, **params) -> tuple[str, float, str]:
        monkeypatch.setattr(export.problem, "Row", row)
        model = tmp_path / "model"
        parity, why = export.write_model(estimator.fit(train, VALUES), model, [ROWS], ExportSection(**PARAMS | params))
        difference = parity.difference
        assert {"signature.json", f"model.{predictor.signature(model)['format']}"} == {x.name for x in model.iterdir()}
        return predictor.signature(model)["format"], difference, why

    return run


def test_an_estimator_that_onnx_can_express_is_exported_to_onnx(exported):
    model_format, difference, why = exported(_boosted())
    assert ("onnx", "") == (model_format, why)
    assert difference < 1e-5


def test_an_estimator_that_onnx_cannot_express_is_exported_to_skops(exported):
    estimator = TransformedTargetRegressor(_boosted(), func=np.log1p, inverse_func=np.expm1)
    model_format, difference, why = exported(estimator)
    assert ("skops", 0) == (model_format, difference)
    assert why.startswith("MissingShapeCalculator: ")


@pytest.mark.parametrize("wrong", [{"loss": "gamma"}, {"categorical_features": [0]}])
def test_an_estimator_that_is_silently_converted_wrongly_is_exported_to_skops(exported, wrong):
    model_format, difference, why = exported(_boosted(**wrong))
    assert ("skops", 0) == (model_format, difference)
    assert why.startswith("its predictions would differ by ")


class Nullable(BaseModel):
    size: float | None
    kind: Literal["a", "b", "c", "d"]


class Open(BaseModel):
    size: float
    kind: str


class Wide(BaseModel):
    size: Annotated[int, Field(gt=0, lt=2**30)]
    kind: Literal["a", "b", "c", "d", "not in these rows"]


FOREST_TYPES = ["sklearn.tree._tree.Tree"]


def _forest(encoder, numbers="passthrough"):
    encode = make_column_transformer((encoder, ["kind"]), (numbers, ["size"]))
    return make_pipeline(encode, RandomForestRegressor(5, random_state=1))


TOLERANT = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def test_a_forest_that_differs_only_on_missing_values_is_exported_to_skops(exported):
    assert "onnx" == exported(_forest(TOLERANT))[0]
    model_format, difference, why = exported(_forest(TOLERANT), Nullable, trusted_types=FOREST_TYPES)
    assert ("skops", 0) == (model_format, difference)
    assert re.fullmatch(r"its predictions would differ by \S+ on rows with size missing", why)


def test_an_encoder_of_numbers_that_differs_only_on_missing_values_is_exported_to_skops(exported):
    numbers = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer((TOLERANT, ["kind"]), (numbers, ["size"]))
    estimator = make_pipeline(encode, HistGradientBoostingRegressor(max_iter=10, random_state=1))
    gaps = ROWS.assign(size=ROWS["size"].round(-1).where(RANDOM.random(len(ROWS)) > 0.2))
    model_format, difference, why = exported(estimator, Nullable, gaps)
    assert ("skops", 0) == (model_format, difference)
    assert "on rows with size missing" in why


@pytest.mark.parametrize(
    ("row", "named"),
    [(Nullable, "size missing"), (Open, "kind unseen"), (Wide, "each kind")],
)
def test_an_estimator_that_rejects_rows_that_row_allows_is_one_line(exported, row, named):
    encode = make_column_transformer((OrdinalEncoder(), ["kind"]), ("passthrough", ["size"]))
    with pytest.raises(DataError, match=f"cannot score rows with {named}, which Row allows") as error:
        exported(make_pipeline(encode, LinearRegression()), row)
    assert 1 == len(str(error.value).splitlines())


def test_a_conversion_beyond_the_time_limit_is_exported_to_skops(exported, monkeypatch):
    def endless(*_, **__):
        while True:
            with suppress(Exception):  # as in a converter
                time.sleep(60)

    monkeypatch.setattr(export, "_to_onnx", endless)
    model_format, difference, why = exported(_boosted(), conversion_seconds=0.2)
    assert ("skops", 0, "OverTimeError: took longer than 0.2 s") == (model_format, difference, why)


def test_all_untrusted_types_are_listed_together(exported):
    both = VotingRegressor([("boosted", _boosted()), ("forest", _forest(TOLERANT))])
    estimator = TransformedTargetRegressor(both, func=np.log1p, inverse_func=np.expm1)
    with pytest.raises(SettingError, match=r"TreePredictor, sklearn\.tree\._tree\.Tree, .*, then paste") as error:
        exported(estimator, trusted_types=["functools.partial"])
    assert 1 == len(str(error.value).splitlines())
    pasted = YAML().load(str(error.value).rpartition("params.yaml: ")[2])
    assert "skops" == exported(estimator, **pasted)[0]


def test_an_untrusted_type_is_added_to_those_that_are_trusted(exported):
    with pytest.raises(
        SettingError, match=r"does not trust one type .*: \[functools\.partial, sklearn\.tree\._tree\.Tree\]$"
    ):
        exported(_forest(TOLERANT), Nullable, trusted_types=["functools.partial"])


def test_an_allowed_difference_is_exported_to_onnx(exported):
    assert "onnx" == exported(_boosted(loss="gamma"), parity_tolerance=1e9)[0]
