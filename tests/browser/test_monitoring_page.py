"""The monitoring page in a real browser: with long names, it fits a phone and a desktop screen.

Needs Chromium.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slipway.gates import Outcome, Verdict
from slipway.gates.monitoring_evidence import MonitorEvidence
from slipway.report import monitoring_page
from slipway.report.monitoring_page import WindowSummary

LONG, WINDOWS = "column_" + "x" * 120, 90
START = datetime(2026, 1, 1, tzinfo=UTC)
EVIDENCE = MonitorEvidence.model_validate(
    {
        "release": "v10.20.30",
        "window": {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-08T00:00:00+00:00", "rows": 1_234_567},
        "retrain": {"trigger": "drift", "because": f"drift: {LONG}: distance 0.51"},
    }
)
FACTS = {
    "rows": 1_234_567,
    "performance": {"value": 0.7, "low": 0.6, "high": 0.8},
    "baseline": 0.72,
    "metric": "roc_auc",
    "columns": {LONG: 2.5, "visibility": 0.4},
    "p50_milliseconds": 1.5,
    "p99_milliseconds": 1234.5,
}


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(content_width, width):
    ends = [START + timedelta(days=day) for day in range(WINDOWS)]
    windows = [WindowSummary(end, f"v1.{end.month}.0", **FACTS) for end in ends]
    verdicts = [Verdict("skew", Outcome.FAIL, "each column as in training", f"{LONG}: far", f"{LONG}; " * 3)] * 3
    assert content_width(monitoring_page.render("production", verdicts, EVIDENCE, windows), width) <= width
