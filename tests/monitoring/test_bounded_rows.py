"""More rows than monitoring, a search or a test of training holds: samples, in batches, and the counts of all rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.checks import convergence
from slipway.monitoring import training_rows
from slipway.monitoring.checks import traffic
from slipway.monitoring.log_columns import TIME
from slipway.monitoring.reference import estimated_repeats
from slipway.monitoring.window import LiveWindow
from slipway.settings import read_settings
from slipway.tune.rows import TRAIN, TuningRows
from tests import stations

START = datetime(2024, 1, 1, tzinfo=UTC)
SETTINGS = read_settings()


@pytest.fixture(autouse=True)
def problem_of_stations(monkeypatch):
    """Let the problem be a table of three stations, whose rows have batches of 700."""
    frame = stations.table(0, 1)
    frame["rain"] = frame["rain"].mask(frame.index % 9 == 4)
    functions = {
        "load": lambda _: frame,
        "load_batches": lambda _: (frame.iloc[start : start + 700] for start in range(0, len(frame), 700)),
        "split": lambda rows, _: (rows[rows["hour"] != 7], rows[rows["hour"] == 7]),
        "is_test": lambda *_: lambda rows: rows["hour"] == 7,
    }
    for name, value in {**stations.PROBLEM, **functions}.items():
        monkeypatch.setattr(problem, name, value, raising=False)
    return frame[frame["rain"].notna()].reset_index(drop=True)


def test_all_rows_of_a_release_are_read_if_they_are_few(problem_of_stations):
    rows, fraction = training_rows.read(None, None, len(problem_of_stations), 0)
    pd.testing.assert_frame_equal(problem_of_stations, rows)
    assert fraction == 1


@pytest.mark.parametrize("batches", [True, False])
def test_a_sample_of_many_rows_of_a_release_is_uniform_and_equal_each_time(problem_of_stations, monkeypatch, batches):
    if not batches:
        monkeypatch.delattr(problem, "load_batches")
    end = stations.HOURS[1999]
    released = problem_of_stations[problem_of_stations["time"] <= end]
    places = np.sort(np.random.default_rng(3).permutation(len(released))[:500])
    rows, fraction = training_rows.read(None, end, 500, 3)
    pd.testing.assert_frame_equal(released.iloc[places].reset_index(drop=True), rows)
    assert 500 / len(released) == fraction


def test_the_traffic_of_a_sampled_window_is_that_of_all_rows():
    rows = stations.table(0, 1).head(1400).assign(**{TIME: pd.date_range(START, periods=1400, freq="432s", tz="UTC")})
    limits = SETTINGS.monitoring
    reference = SimpleNamespace(repeats=0.0)

    def measured(rows: pd.DataFrame, fraction: float):
        window = LiveWindow(START, START + timedelta(days=7), rows, fraction=fraction)
        return traffic.evidence(SimpleNamespace(window=window, limits=limits, reference=reference))

    assert (1400, [200] * 7) == (measured(rows, 1).rows, measured(rows, 1).parts)
    every_fourth = measured(rows.iloc[::4], 0.25)
    assert (1400, [200] * 7) == (every_fourth.rows, every_fourth.parts)


def test_the_fraction_of_repeated_rows_is_estimated_from_a_sample():
    rng = np.random.default_rng(0)
    rows = pd.Series(np.concatenate([np.arange(100_000), np.arange(25_000)]))
    sample = rows[rng.random(len(rows)) < 0.2]
    assert 0.2 == rows.duplicated().mean() == estimated_repeats(rows.duplicated(), 1.0)
    assert 0.18 <= estimated_repeats(sample.duplicated(), 0.2) <= 0.22
    assert estimated_repeats(pd.Series([True, True]), 0.1) == 1


def test_labels_that_match_no_sampled_row_are_not_called_unmatched(monkeypatch):
    monkeypatch.setattr(problem, "LABEL_KEY", ("hour",), raising=False)
    rows = stations.table(0, 1)[["hour"]].head(3)
    labels = pd.DataFrame({"hour": [0, 1, 2, 3], "rain": 1})
    days = START, START + timedelta(days=1)
    assert 1 == LiveWindow(*days, rows, labels=labels).joined.unmatched
    assert 0 == LiveWindow(*days, rows, labels=labels, fraction=0.5).joined.unmatched


def test_a_test_of_training_has_the_same_rows_in_batches_as_of_all_rows():
    expected = convergence.sampled(*convergence.sides(None, SETTINGS), SETTINGS)
    subject = convergence.subject(None, SETTINGS)
    for side in ("train", "test"):
        pd.testing.assert_frame_equal(getattr(expected, side), getattr(subject, side))
        np.testing.assert_array_equal(getattr(expected, f"{side}_target"), getattr(subject, f"{side}_target"))


def test_a_search_reads_every_fourth_row_in_the_order_of_time(tmp_path, problem_of_stations):
    shuffled = problem_of_stations.sample(frac=1, random_state=0)
    shuffled.to_parquet(tmp_path / TRAIN)
    limits = SETTINGS.tune.model_copy(update={"rows": len(shuffled) // 4 + 1})
    rows = TuningRows.read(tmp_path, SETTINGS.model_copy(update={"tune": limits}))
    expected = problem_of_stations.iloc[::4]
    np.testing.assert_array_equal(expected["rain"], rows.target)
    np.testing.assert_array_equal(expected["level"].astype("float32"), rows.features["level"])
