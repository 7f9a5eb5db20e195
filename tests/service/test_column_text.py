"""Rows are copied from the text of columns only where every bracket and comma is one of JSON's own."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.serving import column_text

TEXT = st.text(alphabet='[]{},:"\\ ax', max_size=6)
VALUE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)


def body(columns: dict[str, list], separators: tuple[str, str]) -> bytes:
    return json.dumps({"columns": columns}, separators=separators).encode()


@given(
    st.integers(1, 4).flatmap(
        lambda count: st.lists(st.lists(VALUE, min_size=count, max_size=count), min_size=1, max_size=3)
    ),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\t: ")]),
)
def test_rows_are_those_of_the_columns_or_none(values, separators):
    columns = {f"c{place}": column for place, column in enumerate(values)}
    copied = column_text.rows(body(columns, separators), len(values[0]))
    expected = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert copied is None or expected == [json.loads(row) for row in copied]


@pytest.mark.parametrize(
    "values",
    [["x,a],", ":[b,y"], ["a][b", "x,y"], ['b],"c1":[1,2', "a"], ["]}}", "a"], ["a", "]}}"], ["],", ",[a"]],
)  # fmt: skip
def test_text_that_looks_like_columns_is_not_copied(values):
    assert column_text.rows(body({"c0": values, "c1": [1, 2]}, (",", ":")), 2) is None


def test_values_are_copied_as_they_were_sent():
    sent = b' { "columns" :\t{"a":[1.50, 2e3 ], "b" : ["\\u00e9",null]} } '
    assert [b'{"a":1.50, "b" : "\\u00e9"}', b'{"a": 2e3 , "b" : null}'] == column_text.rows(bytearray(sent), 2)
