"""The benchmark of a comparison runs, and its segments partition the rows of each column."""

from __future__ import annotations

import re

from slipway.evaluation.segments import ALL
from slipway.lab import comparison_cost


def test_benchmark_prints_its_seconds(capsys):
    comparison_cost.main(500, 10, 8)
    assert re.fullmatch(r"[\d.]+ s, [\d.]+ s of processor time\n", capsys.readouterr().out)


def test_each_row_is_in_one_segment_of_every_column():
    places = comparison_cost.groups(100, 8, seed=1)
    assert len(places) == 9
    assert comparison_cost.COLUMNS * 100 == sum(len(rows) for name, rows in places.items() if name != ALL)
