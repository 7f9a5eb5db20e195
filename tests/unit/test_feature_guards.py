"""Each fault after which a feature store would answer differently offline and online is an error in one line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel

from slipway.errors import DataError
from slipway.feature_store import guards

HOUR = pd.Timestamp("2026-03-01T12:00", tz="UTC")


class Row(BaseModel):
    warmth: float | None
    count: int


def rows(**changes):
    """Return a value, its correction and the value of another key."""
    moments = [HOUR + pd.Timedelta(hours=hours) for hours in (0, 5, 0)]
    columns = {"line": ["a", "a", "b"], "time": [HOUR] * 3, "arrived": moments, "warmth": [1.0, 2.0, 3.0]}
    return pd.DataFrame(columns | changes)


@pytest.fixture
def view(tmp_path, monkeypatch):
    """Return a view that fulfills every guard; its file is `parts.parquet` in the current folder."""
    monkeypatch.chdir(tmp_path)
    rows().to_parquet("parts.parquet")
    files = str(tmp_path / "parts*.parquet")
    return guards.View("parts", files, ("line",), "time", "arrived", timedelta(0), {"warmth": "number"})


def message(view) -> str:
    with pytest.raises(DataError) as caught:
        guards.check_views([view], Row)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_corrections_that_arrive_later_are_accepted(view):
    guards.check_views([view], Row)
    assert 3 == len(pd.read_parquet("parts.parquet"))


def test_ttl_that_would_empty_training_rows(view):
    expected = "problem.feature_views: parts: ttl is 2:00:00: training rows would lose older values, which the"
    assert message(replace(view, ttl=timedelta(hours=2))).startswith(expected)


def test_equal_timestamps_with_an_equal_arrival(view):
    rows(arrived=[HOUR] * 3).to_parquet("parts.parquet")
    expected = (
        "parts*.parquet: 2 rows have line=a, time=2026-03-01 12:00:00+00:00, arrived=2026-03-01 12:00:00+00:00, and"
        " either could win; give the correction a later `arrived`, or drop one"
    )
    assert expected == message(view)


def test_equal_timestamps_without_an_arrival(view):
    text = message(replace(view, arrival=""))
    assert text.endswith("name a column with their arrival as created_timestamp_column, or drop one")


def test_equal_timestamps_in_two_files(view):
    rows().to_parquet("parts-again.parquet")
    assert "2 rows have line=" in message(view)


@pytest.mark.parametrize("column", ["time", "arrived"])
def test_naive_timestamps(view, column):
    rows().assign(**{column: rows()[column].dt.tz_localize(None)}).to_parquet("parts.parquet")
    expected = f"parts.parquet: `{column}` has no time zone, and Feast takes it for UTC; write it in UTC"
    assert expected == message(view)


def test_times_as_text(view):
    rows(time=["2026-03-01"] * 3).to_parquet("parts.parquet")
    assert message(view).endswith("not a time; write it as a timestamp in UTC")


def test_missing_arrival(view):
    rows(arrived=[HOUR, None, HOUR]).to_parquet("parts.parquet")
    assert "parts*.parquet: `arrived` is missing in 1 rows; fill it, or drop the rows" == message(view)


def test_missing_column(view):
    rows().drop(columns="line").to_parquet("parts.parquet")
    assert "parts.parquet: has no column `line`, which parts names; add it" == message(view)


def test_missing_file(view):
    Path("parts.parquet").unlink()
    assert "parts*.parquet: no such file, which parts reads; run `slipway pull`" == message(view)


def test_feature_that_is_not_in_row(view):
    text = message(replace(view, features={"heat": "number"}))
    assert "problem.feature_views: parts: Row has no column `heat`; add it, or rename one" == text


@pytest.mark.parametrize(("name", "type_"), [("count", "number"), ("warmth", "string"), ("warmth", None)])
def test_feature_of_another_type(view, name, type_):
    assert f"the type of `{name}` is {type_ or 'not a type of Row'}, and" in message(
        replace(view, features={name: type_})
    )


def test_whole_numbers_are_numbers(view):
    guards.check_views([replace(view, features={"warmth": "integer"})], Row)
    with pytest.raises(DataError):
        guards.check_views([], Row)


REQUEST = {"line": pa.string(), guards.TIME: pa.timestamp("us", "UTC")}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"line": pa.string()}, "rows.parquet: has no column `event_timestamp`, which the join needs; add it"),
        ({guards.TIME: pa.timestamp("us", "UTC")}, "rows.parquet: has no column `line`, which the join needs; add it"),
        (
            REQUEST | {guards.TIME: pa.timestamp("us")},
            "rows.parquet: `event_timestamp` has no time zone, and Feast takes it for UTC; write it in UTC",
        ),
        (
            REQUEST | {"warmth": pa.float64()},
            "rows.parquet: already has a column `warmth`, which is a feature; drop it",
        ),
    ],
)
def test_rows_that_cannot_be_joined(columns, expected):
    with pytest.raises(DataError) as caught:
        guards.check_request(Path("rows.parquet"), pa.schema(columns), ["line"], ["warmth"])
    assert expected == str(caught.value)
