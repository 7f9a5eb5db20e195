"""Features are float32 numbers and string categories, for every type and missing value of the frame."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from slipway.schema.features import to_features


class Row(BaseModel):
    amount: float | None
    count: int | None
    flag: bool
    kind: Literal["a", "b"] | None
    name: str | None


ROWS = st.fixed_dictionaries(
    {
        "amount": st.none() | st.floats(-1e6, 1e6, width=32),
        "count": st.none() | st.integers(-(2**24), 2**24),  # float32 represents each of these exactly
        "flag": st.booleans(),
        "kind": st.none() | st.sampled_from(["a", "b"]),
        "name": st.none() | st.text(),
    }
)


@given(st.lists(ROWS, min_size=1, max_size=20), st.booleans())
def test_values_and_missing_values_are_preserved(rows, typed):
    frame = pd.DataFrame(rows, columns=list(Row.model_fields), dtype=object)
    features = to_features(frame.astype({"count": "Int64", "flag": bool}) if typed else frame, Row)
    for name in ("amount", "count", "flag"):
        assert np.float32 == features[name].dtype
        expected = [np.nan if row[name] is None else float(row[name]) for row in rows]
        assert np.array_equal(expected, features[name].to_numpy(dtype=float), equal_nan=True)
    for name in ("kind", "name"):
        assert ["" if row[name] is None else row[name] for row in rows] == features[name].tolist()


def test_columns_have_the_order_of_the_row_and_others_are_dropped():
    frame = pd.DataFrame([{"other": 1, "name": "n", "kind": "a", "flag": True, "count": 1, "amount": 1.0}])
    assert list(Row.model_fields) == list(to_features(frame, Row))
