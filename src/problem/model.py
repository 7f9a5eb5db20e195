"""The estimator: gradient boosted trees on the columns of `Row`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from problem.row import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [name for name in Row.model_fields if name not in CATEGORIES]


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """See `problem.build_model`. An airport that is not in the training rows is encoded as -1."""
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES),
        ("passthrough", NUMBERS),
    )
    return make_pipeline(encode, HistGradientBoostingClassifier(**params, early_stopping=False, random_state=seed))
