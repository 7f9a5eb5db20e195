"""A segment has the same name on a pull request and in monitoring."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel

from slipway.evaluation.segments import segments
from slipway.schema.features import to_features


class Row(BaseModel):
    """A row whose columns have each kind of value, missing ones among them."""

    flag: bool | None
    stars: int
    price: float
    city: Literal["Oslo", "missing"] | None


FRAME = pd.DataFrame(
    {
        "flag": [True, False, None, True],
        "stars": [1, 1, 2, 2],
        "price": [16777215.0, 16777214.0, 0.1, 0.1],
        "city": ["Oslo", None, "missing", "Oslo"],
    }
)


def _names(frame: pd.DataFrame, column: str) -> dict[str, list[int]]:
    groups = segments(to_features(frame, Row), [column])
    return {name: rows.tolist() for name, rows in groups.items() if name != "all"}


def test_a_missing_value_is_a_segment_and_no_value_is_mistaken_for_it():
    assert {"city=missing": [1], "city=Oslo": [0, 3], 'city="missing"': [2]} == _names(FRAME, "city")
    assert {"flag=0": [1], "flag=1": [0, 3], "flag=missing": [2]} == _names(FRAME, "flag")


def test_a_flag_has_the_same_segments_in_any_storage_type():
    stored = [FRAME.assign(flag=values) for values in ([1, 0, np.nan, 1], [True, False, None, True])]
    assert _names(stored[0], "flag") == _names(stored[1], "flag")


def test_numbers_that_differ_in_the_last_digit_are_two_segments():
    assert {"price=16777215": [0], "price=16777214": [1], "price=0.1": [2, 3]} == _names(FRAME, "price")


def test_every_row_is_in_one_segment_of_each_column():
    groups = segments(to_features(FRAME, Row), list(Row.model_fields))
    assert [0, 1, 2, 3] == groups["all"].tolist()
    assert len(FRAME) * (1 + len(Row.model_fields)) == sum(map(len, groups.values()))


def test_small_segments_can_be_omitted():
    assert ["all", "city=Oslo"] == list(segments(to_features(FRAME, Row), ["city"], rows_min=2))
