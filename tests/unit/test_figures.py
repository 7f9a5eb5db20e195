"""Formatting of numbers."""

from __future__ import annotations

import math

import pytest

from slipway import figures


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.71518, -0.00004), ["0.7152", "0.0000"]),
        ((12.3456, 1.0), ["12.346", "1.000"]),
        ((148895.92, 1.5), ["148,896", "2"]),
        ((math.nan, 3.0), ["undefined", "3.0000"]),
    ],
)
def test_decimals_follow_from_the_largest_value(values, expected):
    assert expected == figures.as_text(*values)


@pytest.mark.parametrize(("number", "expected"), [(0, "0 rows"), (1, "1 row"), (28_889, "28,889 rows")])
def test_a_count_agrees_with_its_noun(number, expected):
    assert expected == figures.count(number, "row")


def test_a_long_line_is_cut_with_an_ellipsis_and_a_short_one_is_kept():
    assert "four fiv…" == figures.shorten("four five six", 9)
    assert "four…" == figures.shorten("four five", 6)
    assert "four" == figures.shorten("four", 4)
