"""Predict the species of a penguin: three named classes, no time column, one CSV file per year, 344 rows.

Source: the PyPI package `palmerpenguins` 0.1.6 (MIT), data CC0 by K. Gorman and the Palmer Station LTER; the column
`year` became the names of the files.
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

TARGET = "species"
TASK = "multiclass"
TIME_COLUMN: str | None = None
SEGMENTS: tuple[str, ...] = ()


def _measure(description: str, unit: str, low: float, high: float) -> Any:
    return Field(ge=low, le=high, allow_inf_nan=False, description=description, json_schema_extra={"unit": unit})


class Row(BaseModel):
    """Measurements of one adult penguin near Palmer Station, Antarctica."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    island: Literal["Biscoe", "Dream", "Torgersen"] = Field(description="Island of its nest")
    bill_length_mm: Annotated[float, _measure("Length of the bill", "mm", 20, 80)] | None
    bill_depth_mm: Annotated[float, _measure("Depth of the bill", "mm", 8, 30)] | None
    flipper_length_mm: Annotated[int, _measure("Length of a flipper", "mm", 140, 260)] | None
    body_mass_g: Annotated[int, _measure("Mass", "g", 2000, 8000)] | None
    sex: Literal["female", "male"] | None = Field(description="Sex, determined by a blood test")


MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def load(data_dir: Path) -> pd.DataFrame:
    """Read every year. Only nullable types keep integers next to missing values in CSV."""
    import pandas as pd

    years = [pd.read_csv(file, dtype_backend="numpy_nullable") for file in sorted(data_dir.glob("penguins-*.csv"))]
    return pd.concat(years, ignore_index=True)


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the test rows, stratified by species."""
    test = frame.groupby(TARGET).sample(frac=params["split"]["test_ratio"], random_state=params["seed"]).index
    return frame.drop(test), frame.loc[test]


def build_model(params: Mapping[str, Any]) -> BaseEstimator:
    """Return a logistic regression with less regularization than the baseline."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["island", "sex"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), MEASURES),
    )
    return make_pipeline(encode, LogisticRegression(**params["model"], random_state=params["seed"]))


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """See problem/suites.py."""
    from problem import suites

    return suites.data_suite(thresholds)


def next_batch(_: Path) -> Path | None:
    """Return None: the data set is complete."""
    return None
