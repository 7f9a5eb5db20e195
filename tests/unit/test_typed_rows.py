"""Rows keep their values through a table, a request and features, in both directions."""

from __future__ import annotations

import io
import json
from enum import Enum
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from slipway.errors import DataError
from slipway.schema.features import to_features
from slipway.schema.typed_rows import records, to_typed


class Size(Enum):
    small = "s"
    large = "l"


class Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    count: int
    maybe_count: int | None
    amount: Annotated[float, Field(allow_inf_nan=False)]
    maybe_amount: float | None
    flag: bool
    maybe_flag: bool | None
    digit: Literal[1, 2, 3]
    size: Size
    text: str
    maybe_text: str | None


INTEGERS = st.integers(-(2**53), 2**53)  # pandas infers a float for a column that also has missing values
NUMBERS = st.floats(-1e38, 1e38)  # what float32 holds
ROWS = st.fixed_dictionaries(
    {
        "count": INTEGERS,
        "maybe_count": st.none() | INTEGERS,
        "amount": NUMBERS,
        "maybe_amount": st.none() | NUMBERS,
        "flag": st.booleans(),
        "maybe_flag": st.none() | st.booleans(),
        "digit": st.sampled_from([1, 2, 3]),
        "size": st.sampled_from(["s", "l"]),
        "text": st.text(),
        "maybe_text": st.none() | st.text(),
    }
)


def stored(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` as it is read from a Parquet file."""
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return pd.read_parquet(io.BytesIO(file.getvalue()))


def types(row: dict[str, object]) -> dict[str, type]:
    return {name: type(value) for name, value in row.items()}


def frames(rows: list[dict[str, object]]) -> list[pd.DataFrame]:
    """Return the rows in the types that pandas infers, and as objects."""
    return [pd.DataFrame(rows), pd.DataFrame(rows, dtype=object)]


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_a_row_is_the_same_after_a_table_and_a_request(rows):
    """Row → table → file → payload → row, with the values and types that the client would send."""
    for frame in frames(rows):
        payloads = records(stored(to_typed(frame, Row)))
        assert rows == payloads
        assert [types(row) for row in rows] == [types(payload) for payload in payloads]
        validated = [Row.model_validate_json(json.dumps(payload)) for payload in payloads]
        assert rows == [row.model_dump(mode="json") for row in validated]


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_features_are_the_same_before_and_after_the_table(rows):
    for frame in frames(rows):
        before, after = to_features(frame, Row), to_features(stored(to_typed(frame, Row)), Row)
        pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("whole", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_large_whole_number_next_to_a_missing_one_is_exact(whole):
    frame = pd.DataFrame(
        {name: [None, None] for name in Row.model_fields} | {"maybe_count": [None, whole]}, dtype=object
    )
    assert [None, whole] == [row["maybe_count"] for row in records(stored(to_typed(frame, Row)))]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NaT, pd.NA])
def test_a_missing_value_is_none_in_every_type(missing):
    frame = pd.DataFrame([dict.fromkeys(Row.model_fields, missing)], dtype=object)
    assert [dict.fromkeys(Row.model_fields)] == records(stored(to_typed(frame, Row)))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("count", 2.5, r"count: 2\.5 in row 7 is not a whole number of 64 bits, as Row has it; fix the data or Row"),
        ("count", 2**64, "count: 18446744073709551616 in row 7 is not a whole number"),
        ("maybe_count", "many", "maybe_count: 'many' in row 7 is not a whole number"),
        ("amount", "1,5", "amount: '1,5' in row 7 is not a number"),
        ("flag", 2, "flag: 2 in row 7 is not true or false"),
    ],
)
def test_a_value_of_another_type_is_named(column, value, message):
    rows = {name: [None, None] for name in Row.model_fields} | {column: [None, value]}
    with pytest.raises(DataError, match=message):
        to_typed(pd.DataFrame(rows, index=[3, 7], dtype=object), Row)
