"""Labels join by the problem's key; what does not fit is counted, and nothing is hidden."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.delivery.load.traffic import HEADERS, SYNTHETIC_ID_PREFIX
from slipway.monitoring.window import LiveWindow, join, logged, scores

ROWS = pd.DataFrame({"request_id": ["a", "b", "c"], "index": 0})


def labels(**of: float) -> pd.DataFrame:
    return pd.DataFrame({"request_id": list(of), problem.TARGET: list(of.values())})


def test_a_label_finds_its_row_and_a_row_without_one_has_none():
    found = join(ROWS, labels(a=1, c=0))
    assert [1.0, None, 0.0] == [None if pd.isna(one) else one for one in found.rows[problem.TARGET]]
    assert (2, 0, 0, 0) == (found.labelled, found.unmatched, found.duplicates, found.conflicting)


def test_labels_of_nothing_and_missing_ones_are_told_apart():
    found = join(ROWS, labels(a=1, x=0, y=1, b=np.nan))
    assert (1, 2) == (found.labelled, found.unmatched)


def test_of_labels_that_come_again_the_last_counts_and_contradictions_are_counted():
    found = join(ROWS, pd.concat([labels(a=0, b=1), labels(a=1), labels(b=1)]))
    assert [1.0, 1.0] == found.rows[problem.TARGET].dropna().tolist()
    assert (2, 1) == (found.duplicates, found.conflicting)


@pytest.mark.parametrize("none", [None, labels()])
def test_without_labels_no_row_has_one(none):
    found = join(ROWS, none)
    assert (0, 3) == (found.labelled, int(found.rows[problem.TARGET].isna().sum()))


def test_a_label_of_the_time_before_is_not_unmatched():
    start, end = datetime(2026, 1, 8, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
    window = LiveWindow(start, end, ROWS.head(1), ROWS.tail(2), labels(a=1, c=0))
    assert (2, 0) == (window.joined.labelled, window.joined.unmatched)


@pytest.mark.parametrize(
    ("task", "predictions"), [("binary", np.array([0.25, 1.0])), ("multiclass", np.array([[0.25, 0.75], [1.0, 0.0]]))]
)
def test_predictions_are_read_as_they_are_logged(task, predictions):
    signature = {"task": task, "classes": ["a", "b"]}
    assert np.array_equal(predictions, scores(pd.Series(logged(predictions, signature)), signature))


def test_requests_of_our_own_can_be_told_from_traffic():
    assert HEADERS["X-Request-ID"].startswith(SYNTHETIC_ID_PREFIX)
