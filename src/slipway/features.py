"""From the problem's frame to what an estimator takes: the columns of `Row`, in the two kinds of `slipway.schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from slipway.schema import columns

if TYPE_CHECKING:
    from pydantic import BaseModel


def to_features(frame: pd.DataFrame, row: type[BaseModel]) -> pd.DataFrame:
    """Features of `frame`, shape (n, columns of `row`): numbers as float32 with NaN, categories as str with "".

    float32 because that is what the exported model computes in: a model trained on wider numbers would see others.
    """
    return pd.DataFrame({column.name: _feature(frame[column.name], column.kind) for column in columns(row)})


def _feature(values: pd.Series, kind: str) -> pd.Series:
    if kind == "number":
        return values.astype("Float64").astype("float32") if values.dtype == object else values.astype("float32")
    return values.astype(object).where(values.notna(), "").astype(str)
