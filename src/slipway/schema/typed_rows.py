"""Rows as `Row` has them: a table with the types of its fields, and the rows of such a table as Python values.

Whole numbers, numbers, booleans and strings stay what they are, and a missing value is missing. So a table, a request
and a `Row` hold the same values, and features derive from any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from slipway.errors import DataError
from slipway.schema.fields import fields
from slipway.schema.missing import with_none

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionDtype
    from pydantic import BaseModel

    from slipway.schema.fields import FieldType, RowField

DTYPES: dict[FieldType, ExtensionDtype] = {
    "integer": pd.Int64Dtype(),
    "number": pd.Float64Dtype(),
    "boolean": pd.BooleanDtype(),
    "string": pd.StringDtype(),
}
"""Nullable types of pandas, which Parquet keeps."""
NAMES: dict[FieldType, str] = {"integer": "a whole number of 64 bits", "number": "a number", "boolean": "true or false"}


def to_typed(frame: pd.DataFrame, row: type[BaseModel]) -> pd.DataFrame:
    """Return the columns of `row` in its order and with its types, of shape (n, fields of `row`).

    Raises UserError with the column and the first value that does not have the type.
    """
    return pd.DataFrame({name: _typed(frame[name], field) for name, field in fields(row).items()}, index=frame.index)


def _typed(values: pd.Series, field: RowField) -> pd.Series:
    if field.type == "string":
        return with_none(values).map(str, na_action="ignore").astype(DTYPES["string"])
    try:
        return (with_none(values) if values.dtype == object else values).astype(DTYPES[field.type])
    except (TypeError, ValueError, OverflowError):
        place, value = next((index, value) for index, value in values.items() if not _fits(value, field))
        raise DataError(
            f"{field.name}: {value!r} in row {place} is not {NAMES[field.type]}, as Row has it;"
            " fix the data or Row; `slipway data` lists all such rows"
        ) from None


def _fits(value: Any, field: RowField) -> bool:
    try:
        pd.Series([value], dtype=object).astype(DTYPES[field.type])
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as Python values, missing ones as None, as a request has them."""
    names = [str(name) for name in frame]  # an index of Arrow strings makes each name again for each row
    columns = [with_none(values).tolist() for _, values in frame.items()]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
