"""The learned checks of a batch, on a table whose columns belong together: each fault is found, named and explained."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

import problem
from slipway.batch import batch_findings, batch_statistics, interval
from slipway.batch.relations import PROBABILITY_MIN
from slipway.batch.statistic_values import StatisticKey, Value, from_arcsine
from slipway.checks.learned import Learned, drawn
from slipway.checks.probe import Probe
from slipway.settings import read_settings
from tests import stations
from tests.stations import ROWS, exchanged, table

SEED, HOUR = 7, pd.Timedelta(hours=1)
LIMITS, RARE = read_settings().data.relations, {"false_alarms": 5e-5}


@pytest.fixture(autouse=True)
def problem_of_stations(monkeypatch):
    """Let the problem be a table of three stations."""
    for name, value in stations.PROBLEM.items():
        monkeypatch.setattr(problem, name, value)


@pytest.fixture(scope="module")
def taught():
    """Return the learned checks, whose reference is learned by the first test, where the problem is the table."""
    limits = read_settings().data.relations
    return Learned([], limits, SEED)


def _checked(taught, frame: pd.DataFrame):
    if not taught._older:
        taught._older = [drawn(table(0, 1), ROWS, SEED)]
    outcomes, findings = taught.check(drawn(frame, ROWS, SEED))
    return {outcome.check for outcome in outcomes if outcome.outcome != "pass"}, findings


def _new() -> pd.DataFrame:
    return table(ROWS, 2)


@pytest.mark.parametrize("seed", range(2, 7))
def test_clean_rows_pass(taught, seed):
    assert set() == _checked(taught, table(ROWS, seed))[0]


FAULTS = {
    "scale": (
        lambda frame: frame.assign(dew=frame["dew"] * 0.556 - 17.8),
        "Relation Between Columns",
        "dew",
        "a change of scale and offset",
    ),
    "permutation": (
        lambda frame: frame.assign(dew=frame["dew"].sample(frac=1, random_state=1).to_numpy()),
        "Relation Between Columns",
        "dew",
        "values of other rows",
    ),
    "mixture": (
        lambda frame: frame.assign(dew=frame["dew"].where(frame.index % 10 > 0, 0.0)),
        "Relation Between Columns",
        "dew",
        "a mixture",
    ),
    "label in a column": (
        lambda frame: frame.assign(warmth=40.0 + 20 * frame["rain"]),
        "Relation Between Columns",
        "warmth",
        "the label: correlation",
    ),
    "exchanged codes": (exchanged, "Relation Between Columns", "site", "exchanged"),
    "clock": (
        lambda frame: frame.assign(time=frame["time"] + pd.Timedelta(hours=5)),
        "Clock Relation",
        "hour",
        "",
    ),
    "constant": (lambda frame: frame.assign(level=0.5), "Learned Drift", "level", ""),
    "leak": (
        lambda frame: frame.assign(level=frame["level"] + 2 * frame["rain"]),
        "Label Relation",
        "level",
        "",
    ),
    "shuffled labels": (
        lambda frame: frame.assign(rain=frame["rain"].sample(frac=1, random_state=1).to_numpy()),
        "Label Relation",
        "rain",
        "",
    ),
    "equal rows with other labels": (
        lambda frame: pd.concat([frame, frame.head(900).assign(rain=1 - frame["rain"].head(900))], ignore_index=True),
        "Label Relation",
        "rain",
        "",
    ),
    "label copied": (
        lambda frame: frame.assign(level=3.0 * frame["rain"]),
        "Label Relation",
        "level",
        "",
    ),
    "old rows": (
        lambda frame: pd.concat([frame.tail(2000), table(0, 1).tail(1000)]).sort_values("time", ignore_index=True),
        "Row Samples Mix",
        "rain",
        "",
    ),
    "missing": (
        lambda frame: frame.assign(damp=frame["damp"].mask(frame.index % 10 == 0)),
        "Missing Values",
        "damp",
        "",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_its_column_named(taught, fault):
    inject, check, column, cause = FAULTS[fault]
    failed, findings = _checked(taught, inject(_new()))
    assert check in failed
    named = [finding for finding in findings if finding.check == check and finding.column == column]
    assert named, [finding.sentence for finding in findings]
    assert cause in (named[0].cause or ""), named[0]


def _shuffled(frame: pd.DataFrame, site: str) -> pd.DataFrame:
    rain = frame["rain"].to_numpy(copy=True)
    chosen = np.flatnonzero(frame["site"] == site)
    rain[chosen] = np.random.default_rng(1).permutation(rain[chosen])
    return frame.assign(rain=rain)


SUBTLE = {
    "frozen": lambda frame: frame.assign(level=frame["level"].mask(frame.index // 60 == 7, 0.123)),
    "new": lambda frame: frame.assign(grade=frame["grade"] + 3 * (frame.index % 8 == 0)),
    "absent": lambda frame: frame[frame["grade"] != 40].reset_index(drop=True),
    "distinct": lambda frame: frame.assign(level=(frame["level"] / 0.37123).round() * 0.37123),
    "missing": lambda frame: frame.assign(depth=frame["depth"].fillna(frame["level"])),
    "uneven": lambda frame: _shuffled(frame, "east"),
}
"""Faults that leave every other statistic within its interval, by the statistic that finds them."""
SUBTLE_COLUMNS = {
    "frozen": "level",
    "new": "grade",
    "absent": "grade",
    "distinct": "level",
    "missing": "depth",
    "uneven": "rain",
}


@pytest.mark.parametrize("statistic", SUBTLE)
def test_a_fault_that_hardly_moves_a_distribution_is_found(taught, statistic):
    findings = _checked(taught, SUBTLE[statistic](_new()))[1]
    assert (statistic, SUBTLE_COLUMNS[statistic]) in {(finding.statistic, finding.column) for finding in findings}


def test_a_label_that_follows_by_chance_in_one_segment_is_found_there(taught):
    excesses = taught.reference.excesses(_statistics(taught, _shuffled(_new(), "east")))
    assert {"site=east"} == {excess.key.segment for excess in excesses if excess.score > 1 and excess.key[0] == "falls"}


def test_a_column_that_follows_by_chance_is_found_however_its_errors_vary(taught, monkeypatch):
    frame = _new()
    permuted = _statistics(taught, frame.assign(dew=frame["dew"].sample(frac=1, random_state=1).to_numpy()))
    for key in [key for key in taught.reference.series if key.statistic == "error"]:
        monkeypatch.setitem(taught.reference.series, key, [Value(value, 0.1) for value in (-1.0, 1.0) * 8])
    outside = [
        {excess.key[:2] for excess in taught.reference.excesses(statistics) if excess.score > 1}
        for statistics in (_statistics(taught, frame), permuted)
    ]
    assert [False, True] == [("falls", "dew") in keys for keys in outside]
    assert ("error", "dew") not in outside[1]


@pytest.mark.parametrize(
    ("segment", "levels", "is_outside"),
    [
        ("all", (0.55, 0.95), False),
        ("site=east", (0.35, 0.65), True),
        ("all", (0.3, 0.34), False),
        ("all", (0.8, 0.84), True),
    ],
    ids=["windows vary", "a segment averages them", "rain", "a fault"],
)
def test_a_column_falls_where_it_follows_closely_in_every_window(segment, levels, is_outside):
    key, windows = StatisticKey("falls", "dew", segment), [Value(value, 0.03) for value in levels * 10]
    (excess,) = interval.excesses({key: Value(0.05, 0.03)}, {key: windows}, LIMITS, files=1)
    assert is_outside == (excess.score > 1)


class Flags(BaseModel):
    """Two flags with the same categories, each of which follows from a number."""

    wet: Literal["no", "yes"]
    cold: Literal["no", "yes"]
    damp: float
    warmth: float


def test_swapped_columns_with_the_same_categories_are_named(monkeypatch):
    for name, value in {"Row": Flags, "TIME_COLUMN": None, "SEGMENTS": ()}.items():
        monkeypatch.setattr(problem, name, value)
    damp, warmth, noise = np.random.default_rng(1).normal(size=(3, 1500))
    frame = pd.DataFrame({"damp": damp, "warmth": warmth, "rain": (noise > 0).astype(int)})
    frame = frame.assign(wet=np.where(damp > 0, "yes", "no"), cold=np.where(warmth < 0, "yes", "no"))
    new = frame.tail(500)
    taught = Learned([drawn(frame.head(1000), ROWS, SEED)], LIMITS, SEED)
    findings = _checked(taught, new.rename(columns={"wet": "cold", "cold": "wet"}))[1]
    assert {"a swap with `cold`", "a swap with `wet`"} <= {finding.cause for finding in findings}


def test_a_pause_of_all_rows_freezes_no_column(taught):
    frame = _new()
    frozen = [finding for finding in _checked(taught, frame[frame["hour"] > 5])[1] if finding.statistic == "frozen"]
    assert not frozen


@pytest.mark.parametrize(
    ("numbers", "are_outliers"),
    [((200, 210), False), ((200,), True), (range(200, 400), True)],
    ids=["new products", "a placeholder", "errors of measurement"],
)
def test_numbers_above_the_reference_that_recur_are_no_outliers(taught, numbers, are_outliers):
    frame = _new()
    chosen = frame.index % 8 == 0
    frame.loc[chosen, "grade"] = np.resize(numbers, chosen.sum())
    statistics = _statistics(taught, frame)
    excesses = taught.reference.excesses(statistics)
    (score,) = (excess.score for excess in excesses if excess.key == StatisticKey("outliers", "grade"))
    assert are_outliers == (score > 1)


def test_a_surprise_at_the_floor_of_the_probability_is_an_outlier(taught):
    """Where one reference row in 500 has it, no surprise exceeds the limit of outliers."""
    frame, chosen = _new(), _new().index % 20 == 0
    frame.loc[chosen, "site"] = exchanged(frame[chosen])["site"]
    _checked(taught, frame)
    reference = taught.reference
    highest = -np.log(PROBABILITY_MIN) / reference.scales.error
    measured = reference.measure(drawn(frame, ROWS, SEED))
    scales = replace(reference.scales, outlier=highest)
    statistic = batch_statistics.statistics(measured, scales, reference.profiles)[StatisticKey("outliers", "site")]
    assert from_arcsine(statistic.value) >= 0.02


def _statistics(taught, frame: pd.DataFrame):
    _checked(taught, frame)
    return taught.reference.statistics(taught.reference.measure(drawn(frame, ROWS, SEED)))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("damp", lambda values: 140 - values),
        ("dew", lambda values: values * 0.556 - 17.8),
        ("warmth", lambda values: values * 0.556 - 17.8),
        ("warmth", lambda values: values.sample(frac=1, random_state=1).to_numpy()),
    ],
)
def test_the_broken_column_comes_before_the_neighbors_whose_relations_it_breaks(taught, column, change):
    findings = _checked(taught, _new().assign(**{column: change(_new()[column])}))[1]
    assert len({finding.column for finding in findings if finding.check == "Relation Between Columns"}) > 1
    assert column == findings[0].column


def test_exchanged_categories_are_replaced_by_those_that_the_other_columns_predict(taught):
    _checked(taught, _new())
    models, rows = taught.reference.models, drawn(exchanged(_new()), ROWS, SEED)
    predicted = models.categories(rows, list(models.profiles).index("site"))
    assert (predicted == _new()["site"].to_numpy()).mean() >= 0.9


def test_no_prediction_of_the_label_depends_on_the_label(taught):
    """The best of several predictions would follow any label, also a shuffled one."""
    _checked(taught, _new())
    models, rows = taught.reference.models, drawn(_new(), ROWS, SEED)
    place = list(models.profiles).index("rain")
    expected = models.models[place].predict(rows.table(models.profiles)[:, models.others[place]])
    assert expected.tolist() == models.measure(rows).predictions[:, place].tolist()


def test_a_season_that_moves_a_column_with_its_partners_is_no_fault():
    files = [table(0, 1).iloc[start : start + ROWS // 6] for start in range(0, ROWS, ROWS // 6)]
    taught = Learned([drawn(file, ROWS, SEED) for file in files], read_settings().data.relations, SEED)
    drifted = []
    for moves in ({"warmth": 60.0, "dew": 60.0}, {"dew": 60.0}):
        frame = _new().assign(**{name: _new()[name] + move for name, move in moves.items()})
        excesses = taught.reference.excesses(
            taught.reference.statistics(taught.reference.measure(drawn(frame, ROWS, SEED)))
        )
        assert [excess for excess in excesses if excess.score > 1 and excess.key[:2] == ("shape", "dew")]
        shapes = {finding.column for finding in _checked(taught, frame)[1] if finding.statistic == "shape"}
        drifted.append("dew" in shapes)
    assert [False, True] == drifted


@pytest.mark.parametrize(("moved", "seasons"), [(["warmth"], {"warmth"}), (["warmth", "site"], set())])
def test_a_column_that_moves_with_a_faulty_one_is_no_season(moved, seasons):
    """A filter on a category moves what follows from it: the category is not excused, so neither is the other."""
    reference = SimpleNamespace(is_season=lambda _, name: name != "site", partners=lambda _: ["site", "dew"])
    outside = [interval.Excess(StatisticKey("shape", name), 0.5, 0.1, 0.2, 4.0) for name in moved]
    assert seasons == batch_findings._seasons(reference, None, outside)


def test_two_clocks_of_which_one_moves_by_an_hour_are_no_fault(taught):
    findings = _checked(taught, _new().assign(local=(_new()["local"] + 1) % 24))[1]
    assert set() == {"local", "hour"} & {finding.column for finding in findings}


def test_a_category_carries_the_label_whatever_its_place_in_the_order(taught):
    _checked(taught, _new())
    first, middle, last = taught.reference.profiles["site"].bins
    rest = np.where(_new().index % 2, first, last)
    measured = taught.reference.measure(drawn(_new().assign(site=np.where(_new()["rain"], middle, rest)), ROWS, SEED))
    carried = taught.reference.statistics(measured)[StatisticKey("carries", "site")]
    assert carried.value > 10 * carried.noise


def test_a_copy_of_the_label_is_a_fault_however_windows_vary(taught, monkeypatch):
    _checked(taught, _new())
    key, windows = StatisticKey("copies", "level"), [Value(value, 0.03) for value in (0.0, 1.5) * 8]
    monkeypatch.setitem(taught.reference.series, key, windows)
    scores = [taught.reference.excesses({key: Value(np.arctanh(value), 0.03)})[0].score for value in (0.9, 0.99)]
    assert scores[0] < 1 < scores[1]


def test_a_column_that_is_nearly_the_label_in_every_window_may_be_as_near_again(taught, monkeypatch):
    """Windows vary around the limit of a copy, as where the label is the sum of two columns."""
    _checked(taught, _new())
    key, windows = StatisticKey("copies", "level"), [Value(value, 0.14) for value in (2.1, 2.4) * 4]
    monkeypatch.setitem(taught.reference.series, key, windows)
    assert taught.reference.excesses({key: Value(2.32, 0.09)})[0].score < 1


def test_each_of_many_small_files_is_a_window():
    days = [table(0, 1).iloc[start : start + 72] for start in range(0, ROWS, 72)]
    taught = Learned([drawn(day, ROWS, SEED) for day in days], LIMITS, SEED)
    assert [72] * 41 + [48] == [len(places) for places in taught.reference.places]
    day = _new().head(72)
    findings = [_checked(taught, rows)[1] for rows in (day, day.assign(dew=day["dew"] * 0.556 - 17.8))]
    assert [[], ["dew"]] == [[finding.column for finding in named[:1]] for named in findings]


def test_a_small_table_has_the_label_judged_by_the_probe():
    older, new = table(0, 1).head(110), _new().head(60)
    shuffled = new.assign(rain=new["rain"].sample(frac=1, random_state=2).to_numpy())
    outcomes = [Probe(older).check(rows, 0.1).outcome for rows in (new, shuffled)]
    assert ["pass", "fail"] == outcomes


VARIED = (0.22, 0.24, 0.35, 0.25, 0.36, 0.27, 0.41, 0.46, 0.38, 0.28)
"""Correlations of a label with its prediction, by window: the season changes them, but they never disappear."""


@pytest.mark.parametrize(("windows", "fall"), [(VARIED, 0.322 - 0.033), ((*VARIED, 0.0), None)])
def test_a_label_that_follows_in_every_window_may_not_fall_to_chance(windows, fall):
    fallen = interval._fall_to_chance(np.array(windows), 0.0008, 0.011, files=6)
    assert fall == (fallen and pytest.approx(fallen))


def test_a_label_that_hardly_follows_in_few_rows_may_fall_to_chance():
    """Chance alone moves a clean batch as far."""
    assert interval._fall_to_chance(np.array([0.3, 0.4, 0.35, 0.33, 0.37]), 0.018, 0.09, files=1) is None


@pytest.mark.parametrize(("value", "is_outside"), [(0.35, False), (0.8, True)])
def test_few_windows_suffice_where_chance_explains_their_spread(value, is_outside):
    """Five windows of 56 rows: their own variance alone would need a fraction beyond 1."""
    key, windows = StatisticKey("equal", "dew"), [Value(value, 0.067) for value in (0.1, 0.2, 0.15, 0.05, 0.12)]
    (excess,) = interval.excesses({key: Value(value, 0.04)}, {key: windows}, LIMITS.model_copy(update=RARE), files=2)
    assert is_outside == (excess.score > 1)


def test_windows_that_vary_more_than_by_chance_have_few_degrees_of_freedom():
    windows = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    assert interval._deviation(windows, 1e-4, 0.01, 0.5)[1] == pytest.approx(4, abs=0.1)
    assert interval._deviation(windows, 0.2, 0.4, 0.5)[1] > 10


DAILY = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=1) * np.arange(ROWS)


@pytest.mark.parametrize(("hours", "is_fault"), [(0, False), (1, False), (5, True), (-5, True)])
def test_a_time_of_day_that_no_row_has_had_is_a_fault_beyond_daylight_saving(hours, is_fault):
    """A table of days has no column that follows from the hour."""
    older, new = (table(0, seed).assign(time=DAILY).drop(columns="hour") for seed in (1, 2))
    rows = [drawn(frame.assign(hour=0), ROWS, SEED) for frame in (older, new.assign(time=new["time"] + hours * HOUR))]
    findings = Learned(rows[:1], LIMITS, SEED).check(rows[1])[1]
    assert is_fault == ("times" in {finding.statistic for finding in findings})


def test_a_window_has_as_many_new_categories_as_a_batch():
    """Of 1,200 schools in 300 counties, one of fifty is in a county that the other 1,200 lack."""
    rng = np.random.default_rng(SEED)
    frames = [table(0, seed).head(1200).assign(site=rng.integers(0, 300, 1200).astype(str)) for seed in (1, 2)]
    older, new = (drawn(frame, ROWS, SEED) for frame in frames)
    reference, key = Learned([older], LIMITS, SEED).reference, StatisticKey("unknown", "site")
    windows = np.mean([window.value for window in reference.series[key]])
    assert windows == pytest.approx(reference.statistics(reference.measure(new))[key].value, abs=0.05)


def test_daylight_saving_is_no_fault(taught):
    frame = _new()
    frame["time"] -= pd.Timedelta(hours=1)
    assert "Clock Relation" not in _checked(taught, frame)[0]


def test_a_sampled_row_has_the_numbers_of_its_neighbors_and_how_long_each_is_frozen():
    frame, count = table(0, 3), ROWS - 100
    frame.loc[:90, "dew"] = frame.loc[ROWS - 90 :, "dew"] = 1.5  # the last of a segment and the first of the next one
    frame.loc[60, "dew"] = np.nan
    rows = drawn(frame, count, SEED)
    whole = drawn(frame, len(frame), SEED)
    segment = whole.features[problem.SEGMENTS[0]]
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(frame))[:count])
    assert len(chosen) == len(rows)
    for distance, neighbors in rows.neighbors.items():
        expected = whole.features[list(neighbors)].groupby(segment).shift(distance).iloc[chosen]
        pd.testing.assert_frame_equal(expected.reset_index(drop=True), neighbors, check_dtype=False)
    changed = whole.features["dew"].ne(whole.features["dew"].groupby(segment).shift(1))
    runs = changed.groupby(segment).cumsum()
    expected = whole.features["dew"].groupby([segment, runs]).cumcount().iloc[chosen]
    np.testing.assert_array_equal(expected, rows.frozen["dew"])
