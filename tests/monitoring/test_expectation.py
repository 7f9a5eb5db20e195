"""A live window is judged by the statistics, the findings and the guesses that judge a new file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.batch.spans import PREVIOUS_WINDOWS, REFERENCE_WINDOWS_MAX, REFERENCE_WINDOWS_MIN, Spans
from slipway.gates.monitoring_evidence import Finding
from slipway.monitoring.checks import drift, predictions, skew
from slipway.monitoring.checks.contributions import with_contributions
from slipway.monitoring.context import CheckContext
from slipway.monitoring.log_columns import LOGGED, PREDICTION
from slipway.monitoring.reference import Reference, ReleaseBaseline
from slipway.monitoring.window import LiveWindow
from slipway.settings import read_settings
from tests import stations
from tests.stations import ROWS, exchanged, table

SETTINGS, DAYS, LIVE_ROWS = read_settings(), 7, 1000
START = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def problem_of_stations(monkeypatch):
    """Let the problem be a table of three stations."""
    for name, value in stations.PROBLEM.items():
        monkeypatch.setattr(problem, name, value)


class Model:
    """A model that knows how rain is generated."""

    signature: ClassVar = {
        "task": "binary",
        "classes": [],
        "columns": [{"name": name, "kind": "number"} for name in ("dew", "damp", "level")],
    }

    def predict(self, columns):
        return 1 / (1 + np.exp(-(np.asarray(columns["damp"], float) - 65) / 3))


@cache
def reference() -> Reference:
    """Return the reference of a release, learned by the first test, where the problem is the table."""
    return referring(table(0, 1))


def referring(rows: pd.DataFrame) -> Reference:
    half = len(rows) // 2
    return Reference(ReleaseBaseline("v1", START, {}, {}), rows.iloc[:half], rows.iloc[half:], Model(), SETTINGS.seed)


def live(rows: pd.DataFrame, start: datetime = START, days: float = DAYS) -> pd.DataFrame:
    """Return the rows as the prediction log has them."""
    time = pd.date_range(start, start + timedelta(days=days), len(rows) + 1)[:-1]
    answers = ("v1", time, [f"row-{place}" for place in range(len(rows))], 0, Model().predict(rows))
    return rows[list(problem.Row.model_fields)].assign(**dict(zip(LOGGED, answers, strict=True)))


def new(seed: int = 2) -> pd.DataFrame:
    return table(ROWS, seed).head(LIVE_ROWS)


def context(rows: pd.DataFrame, of: Reference | None = None) -> CheckContext:
    """Return the context of a window with `rows`, after four windows of clean ones."""
    days = PREVIOUS_WINDOWS * DAYS
    previous = live(table(ROWS, 3), START - timedelta(days=days), days)
    window = LiveWindow(START, START + timedelta(days=DAYS), rows, previous)
    return CheckContext(window, of or reference(), SETTINGS)


@pytest.mark.parametrize("seed", range(4, 8))
@pytest.mark.parametrize("check", [skew, drift, predictions])
def test_clean_rows_are_within_every_limit(check, seed):
    findings = check.evidence(context(live(new(seed)))).findings
    assert findings
    assert [] == [finding for finding in findings if finding.score > 1]


FAULTS = {
    "scale": (lambda rows: rows.assign(dew=rows["dew"] * 0.556 - 17.8), "dew", "a change of scale and offset"),
    "permutation": (
        lambda rows: rows.assign(dew=rows["dew"].sample(frac=1, random_state=1).to_numpy()),
        "dew",
        "values of other rows",
    ),
    "exchanged codes": (exchanged, "site", "exchanged"),
    "missing": (lambda rows: rows.assign(damp=rows["damp"].mask(rows.index % 5 == 0)), "damp", ""),
    "constant": (lambda rows: rows.assign(level=0.5), "level", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_column_comes_first_with_its_cause(fault):
    inject, column, cause = FAULTS[fault]
    first = skew.evidence(context(live(inject(new())))).findings[0]
    assert column == first.column
    assert first.score > 1
    assert cause in first.cause
    assert cause in first.message


def test_a_finding_on_a_relation_draws_what_was_expected_and_observed():
    message = skew.evidence(context(live(new().assign(dew=20.0 - new()["dew"])))).findings[0].message
    assert message.startswith("`dew` no longer follows from `")
    assert "(expected ▁" in message


def test_a_column_that_moves_within_training_drifts_from_the_previous_windows():
    findings = drift.evidence(context(live(new().assign(level=new()["level"] + 1)))).findings
    assert ("level", "drift") == (findings[0].column, findings[0].what)
    assert findings[0].score > 1 >= findings[1].score
    assert 0.3 <= float(re.search("distance ([0-9.]+) to the previous windows", findings[0].message)[1]) <= 0.5


def test_a_constant_prediction_is_a_finding_on_the_prediction():
    rows = live(new()).assign(**{PREDICTION: 0.5})
    assert PREDICTION == predictions.evidence(context(rows)).findings[0].column
    assert [] == [finding for finding in skew.evidence(context(rows)).findings if finding.score > 1]


def test_a_shift_of_the_predictions_is_attributed_to_the_column_that_moved():
    """Only `damp` is a cause here, so its contribution is the whole shift of the mean."""
    worst = predictions.evidence(context(live(new().assign(damp=new()["damp"] + 30)))).findings[0]
    assert worst.score > 1
    shift = re.search(r"mean is ([0-9.]+), that of training rows ([0-9.]+): .* from `damp` \+[0-9.]+ ± ", worst.message)
    moved = worst.contributions["damp"]
    assert float(shift[1]) - float(shift[2]) == pytest.approx(moved["value"], abs=1e-3)
    assert moved["value"] > 10 * moved["standard_error"] > 0
    assert {0.0} == {part["value"] for name, part in worst.contributions.items() if name != "damp"}


def test_a_shift_since_the_previous_windows_is_attributed_in_comparison_with_these():
    finding = Finding(column=PREDICTION, what="drift", score=2.0, message="moved")
    of = context(live(new().assign(damp=new()["damp"] + 30)))
    message = with_contributions(of, finding).message
    shift = re.match("moved; scored again, their mean is ([0-9.]+), that of the previous windows ([0-9.]+)", message)
    drawn = [rows.sample(min(len(rows), 1000), random_state=SETTINGS.seed) for rows in (of.own, of.window.previous)]
    assert [Model().predict(rows).mean() for rows in drawn] == pytest.approx([*map(float, shift.groups())], abs=1e-3)


def test_a_shift_that_no_column_explains_names_none():
    """The service returned a constant, but its model does not predict it."""
    rows = reference().rows.sample(LIVE_ROWS, random_state=1)
    worst = predictions.evidence(context(live(rows).assign(**{PREDICTION: 0.5}))).findings[0]
    assert "the shift comes from no column" in worst.message


def test_predictions_are_not_scored_again_where_the_log_redacts_a_column():
    of = context(live(new()).assign(**{PREDICTION: 0.5}))
    vars(of)["hidden"] = ["dew"]  # the cached property
    worst = predictions.evidence(of).findings[0]
    assert worst.score > 1
    assert "scored again" not in worst.message


def test_a_column_that_the_log_redacts_is_learned_as_missing_and_breaks_no_other(monkeypatch):
    hidden = referring(table(0, 1).assign(dew=None))
    findings = skew.evidence(context(live(new().assign(dew=None)), hidden)).findings
    assert [] == [finding for finding in findings if finding.score > 1]


def test_too_few_training_rows_prove_nothing():
    for check in (skew, drift, predictions):
        evidence = check.evidence(context(live(new()), referring(table(0, 1).head(100))))
        assert "100 training rows are too few to learn from" == evidence.missing


def test_a_reference_of_many_windows_is_thinned_evenly_with_the_rows_before_each():
    day = np.repeat(np.arange(200.0), 60)
    spans = Spans.of(day, days=1)
    assert REFERENCE_WINDOWS_MAX == spans.window.max() + 1
    assert {1} == {len(np.unique(day[spans.window == number])) for number in range(REFERENCE_WINDOWS_MAX)}
    assert 0 == len(spans.previous[0])
    start = day[spans.window == 5].min()
    assert [start - 4, start - 3, start - 2, start - 1] == np.unique(day[spans.previous[5]]).tolist()
    assert [195.5 < place for place in day[spans.recent]] == [True] * len(spans.recent)


def test_a_short_reference_has_shorter_windows():
    spans = Spans.of(np.linspace(0, 30, 3000), days=7)
    assert REFERENCE_WINDOWS_MIN <= spans.window.max() + 1 <= REFERENCE_WINDOWS_MIN + 1


def test_a_gap_in_the_reference_is_no_window():
    day = np.sort(np.concatenate([np.linspace(0, 100, 2000), np.linspace(200, 300, 2000)]))
    spans = Spans.of(day, days=10)
    assert not ((day[spans.window >= 0] > 100) & (day[spans.window >= 0] < 200)).any()
    assert all((spans.window == number).sum() for number in range(spans.window.max() + 1))
