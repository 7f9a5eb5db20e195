"""Predict whether a passenger of the Titanic survives: binary, no time column, one file, a column of unique strings.

1,313 passengers; the age of 557 is missing. Source: the PyPI package `bokeh-sampledata` 2026.1 (BSD-3-Clause), file
`titanic_all.csv`, unchanged; its record states public domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from deepchecks.tabular import Suite
    from sklearn.base import BaseEstimator

TARGET = "survived"
TASK = "binary"
TIME_COLUMN: str | None = None
SEGMENTS: tuple[str, ...] = ("sex",)


class Row(BaseModel):
    """One entry of the list of passengers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Family name, title, first names")
    passenger_class: Literal["1st", "2nd", "3rd"] | None = Field(description="Class of the ticket")
    sex: Literal["female", "male"] = Field(description="Sex")
    age: Annotated[float, Field(ge=0, le=110, allow_inf_nan=False)] | None = Field(
        description="Age", json_schema_extra={"unit": "year"}
    )


def load(data_dir: Path) -> pd.DataFrame:
    """Read the list. An asterisk stands for a missing class."""
    import pandas as pd

    frame = pd.concat([pd.read_csv(file) for file in sorted(data_dir.glob("*.csv"))], ignore_index=True)
    return frame.rename(columns={"class": "passenger_class"}).replace({"passenger_class": {"*": None}})


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the test rows."""
    test = frame.sample(frac=params["split"]["test_ratio"], random_state=params["seed"]).index
    return frame.drop(test), frame.loc[test]


def build_model(params: Mapping[str, Any]) -> BaseEstimator:
    """Return boosted trees on the hashed words of the name, such as titles; ONNX cannot express the hashing."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words, trees = params["model"]["words"], params["model"]["trees"]
    encode = make_column_transformer(
        (HashingVectorizer(n_features=words), "name"),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["passenger_class", "sex"]),
        ("passthrough", ["age"]),
        sparse_threshold=0,
    )
    return make_pipeline(encode, HistGradientBoostingClassifier(**trees, random_state=params["seed"]))


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """See problem/suites.py."""
    from problem import suites

    return suites.data_suite(thresholds)


def next_batch(_: Path) -> Path | None:
    """Return None: the data set is complete."""
    return None
