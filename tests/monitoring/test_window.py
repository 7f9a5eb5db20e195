"""Labels are joined by the problem's key; unmatched, duplicate and contradicting ones are counted."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.loadtest.traffic import HEADERS, SYNTHETIC_ID_PREFIX
from slipway.monitoring.log_columns import KEY, LOGGED, label_key
from slipway.monitoring.window import LiveWindow, join, logged, scores

ROWS = pd.DataFrame({KEY[0]: ["a", "b", "c"], KEY[1]: 0})


def labels(**of: float) -> pd.DataFrame:
    return pd.DataFrame({"request_id": list(of), problem.TARGET: list(of.values())})


def test_a_label_joins_its_row_and_a_row_without_a_label_has_none():
    joined = join(ROWS, labels(a=1, c=0))
    assert [1.0, None, 0.0] == [None if pd.isna(label) else label for label in joined.rows[problem.TARGET]]
    assert (2, 0, 0, 0) == (joined.labeled, joined.unmatched, joined.duplicates, joined.conflicting)


def test_unmatched_labels_are_counted_and_missing_ones_are_not():
    joined = join(ROWS, labels(a=1, x=0, y=1, b=np.nan))
    assert (1, 2) == (joined.labeled, joined.unmatched)


def test_the_last_of_several_labels_counts_and_contradictions_are_counted():
    joined = join(ROWS, pd.concat([labels(a=0, b=1), labels(a=1), labels(b=1)]))
    assert [1.0, 1.0] == joined.rows[problem.TARGET].dropna().tolist()
    assert (2, 1) == (joined.duplicates, joined.conflicting)


@pytest.mark.parametrize("none", [None, labels()])
def test_without_labels_no_row_has_one(none):
    joined = join(ROWS, none)
    assert (0, 3) == (joined.labeled, int(joined.rows[problem.TARGET].isna().sum()))


@pytest.mark.parametrize("target", ["prediction", "time", "index"])
def test_a_target_with_a_name_of_the_log_is_kept_apart(monkeypatch, target):
    monkeypatch.setattr(problem, "TARGET", target)
    rows = pd.DataFrame({name: ["a", "b", "c"] for name in LOGGED})
    joined = join(rows, pd.DataFrame({"request_id": ["a", "c"], target: [1, 0]})).rows
    assert [1.0, None, 0.0] == [None if pd.isna(label) else label for label in joined[target]]
    assert rows.equals(joined[list(LOGGED)])


def test_a_label_key_of_row_precedes_that_of_the_log(monkeypatch):
    monkeypatch.setattr(problem, "LABEL_KEY", ("request_id", "index"), raising=False)
    assert dict(zip(problem.LABEL_KEY, KEY, strict=True)) == label_key()
    monkeypatch.setattr(problem.Row, "model_fields", {**problem.Row.model_fields, "index": None})
    assert {"request_id": KEY[0], "index": "index"} == label_key()


def test_a_label_of_a_previous_window_is_not_unmatched():
    start, end = datetime(2026, 1, 8, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
    window = LiveWindow(start, end, ROWS.head(1), ROWS.tail(2), labels(a=1, c=0))
    assert (2, 0) == (window.joined.labeled, window.joined.unmatched)


@pytest.mark.parametrize(
    ("task", "predictions"), [("binary", np.array([0.25, 1.0])), ("multiclass", np.array([[0.25, 0.75], [1.0, 0.0]]))]
)
def test_scores_are_the_inverse_of_logged(task, predictions):
    signature = {"task": task, "classes": ["a", "b"]}
    assert np.array_equal(predictions, scores(pd.Series(logged(predictions, signature)), signature))


def test_synthetic_requests_are_distinguished_from_traffic():
    assert HEADERS["X-Request-ID"].startswith(SYNTHETIC_ID_PREFIX)
