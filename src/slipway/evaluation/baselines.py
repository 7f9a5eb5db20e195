"""Baselines that the model must beat: a dummy, which predicts from the target alone, and a linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from slipway.schema.columns import columns

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sklearn.base import BaseEstimator

CATEGORY_ROWS_MIN = 20  # categories with fewer rows are pooled


def baselines(task: str, row: type[BaseModel]) -> dict[str, BaseEstimator]:
    """Return the unfitted baselines `dummy` and `linear` for `task` on the columns of `row`, by name."""
    if task == "regression":
        return {"dummy": DummyRegressor(), "linear": make_pipeline(_encode(row), Ridge())}
    return {
        "dummy": DummyClassifier(),
        "linear": make_pipeline(_encode(row), LogisticRegression(max_iter=200, tol=1e-3)),
    }


def _encode(row: type[BaseModel]) -> BaseEstimator:
    kinds = {kind: [column.name for column in columns(row) if column.kind == kind] for kind in ("number", "category")}
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    return make_column_transformer(
        (numbers, kinds["number"]),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=CATEGORY_ROWS_MIN), kinds["category"]),
    )
