"""The learned checks of a batch, on a table whose columns belong together: each fault is found, named and explained."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field

import problem
from slipway.batch import batch_reference
from slipway.checks.learned import Learned, drawn
from slipway.settings import read_settings

ROWS, SEED = 3000, 7
HOURS = pd.date_range("2024-01-01", periods=3 * ROWS, freq="h", tz="UTC")
SITES = ("east", "north", "south")


class Row(BaseModel):
    """An hour of weather at a site."""

    site: Literal["east", "north", "south"]
    hour: Annotated[int, Field(ge=0, le=23)]
    warmth: float
    damp: float
    dew: float
    level: float


@pytest.fixture(autouse=True)
def stations(monkeypatch):
    """Let the problem be a table of three stations."""
    names = {"Row": Row, "TARGET": "rain", "TASK": "binary", "TIME_COLUMN": "time", "SEGMENTS": ("site",)}
    for name, value in names.items():
        monkeypatch.setattr(problem, name, value)


def _table(start: int, seed: int) -> pd.DataFrame:
    rng, hours = np.random.default_rng(seed), np.arange(start, start + ROWS)
    site = rng.integers(0, 3, ROWS)
    slow = np.interp(hours, hours[::24], 3 * rng.standard_normal(len(hours[::24])))
    warmth = 10 + 8 * np.sin(hours / 24 * 2 * np.pi) + slow + 30 * site + rng.normal(0, 0.5, ROWS)
    damp = np.clip(60 + np.interp(hours, hours[::12], 15 * rng.standard_normal(len(hours[::12]))), 10, 100)
    rain = rng.random(ROWS) < 1 / (1 + np.exp(-(damp - 65) / 3))
    return pd.DataFrame(
        {
            "time": HOURS[start : start + ROWS],
            "site": np.array(SITES)[site],
            "hour": hours % 24,
            "warmth": warmth,
            "damp": damp,
            "dew": warmth - (100 - damp) / 5 + rng.normal(0, 0.2, ROWS),
            "level": rng.normal(0, 1, ROWS),
            "rain": rain.astype(int),
        }
    )


@pytest.fixture(scope="module")
def taught():
    """Return the learned checks, whose reference is learned by the first test, where the problem is the table."""
    limits = read_settings().data.relations
    return Learned([], limits, SEED)


def _checked(taught, frame: pd.DataFrame):
    if not taught._older:
        taught._older = [drawn(_table(0, 1), ROWS, SEED)]
    outcomes, findings = taught.check(drawn(frame, ROWS, SEED))
    return {outcome.check for outcome in outcomes if outcome.outcome != "pass"}, findings


def _new() -> pd.DataFrame:
    return _table(ROWS, 2)


@pytest.mark.parametrize("seed", range(2, 7))
def test_clean_rows_pass(taught, seed):
    assert set() == _checked(taught, _table(ROWS, seed))[0]


def _exchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(site=frame["site"].replace({"east": "south", "south": "east"}))


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
    "exchanged codes": (_exchanged, "Relation Between Columns", "site", "exchanged"),
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


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("damp", lambda values: 140 - values),
        ("dew", lambda values: values * 0.556 - 17.8),
        ("warmth", lambda values: values * 0.556 - 17.8),
    ],
)
def test_the_broken_column_comes_before_the_neighbors_whose_relations_it_breaks(taught, column, change):
    findings = _checked(taught, _new().assign(**{column: change(_new()[column])}))[1]
    assert len({finding.column for finding in findings if finding.check == "Relation Between Columns"}) > 1
    assert column == findings[0].column


VARIED = (0.22, 0.24, 0.35, 0.25, 0.36, 0.27, 0.41, 0.46, 0.38, 0.28)
"""Correlations of a label with its prediction, by window: the season changes them, but they never disappear."""


@pytest.mark.parametrize(("windows", "fall"), [(VARIED, 0.322 - 0.033), ((*VARIED, 0.0), None)])
def test_a_label_that_follows_in_every_window_may_not_fall_to_chance(windows, fall):
    fallen = batch_reference._fall_to_chance(np.array(windows), 0.0008, 0.011, files=6)
    assert fall == (fallen and pytest.approx(fallen))


def test_daylight_saving_is_no_fault(taught):
    frame = _new()
    frame["time"] -= pd.Timedelta(hours=1)
    assert "Clock Relation" not in _checked(taught, frame)[0]
