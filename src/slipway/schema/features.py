"""Features of rows: the columns of `Row`, as numbers or categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from slipway.schema import missing
from slipway.schema.columns import columns

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel


def to_features(frame: pd.DataFrame, row: type[BaseModel], names: Collection[str] | None = None) -> pd.DataFrame:
    """Return the features of the rows in `frame`, of shape (n, columns of `row`), or only those in `names`.

    Numbers are float32 with NaN for missing values, and categories are str with "". The exported model computes in
    float32, so training must use the same precision.
    """
    chosen = [column for column in columns(row) if names is None or column.name in names]
    return pd.DataFrame(
        {column.name: _feature(frame[column.name], column.kind) for column in chosen}, index=frame.index
    )


def _feature(values: pd.Series, kind: str) -> pd.Series:
    if kind == "number":
        return values.astype("Float64").astype("float32") if values.dtype == object else values.astype("float32")
    return values.astype(object).where(values.notna(), missing.FEATURES["category"]).astype(str)
