"""The monitoring page is self-contained, holds every measurement, and escapes all names."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from slipway.gates import Outcome, Verdict
from slipway.gates.monitoring_evidence import MonitorEvidence
from slipway.report import charts, monitoring_page
from slipway.report.monitoring_page import WindowSummary

START = datetime(2026, 1, 1, tzinfo=UTC)
EVIDENCE = MonitorEvidence.model_validate(
    {
        "release": "v0.2.0",
        "window": {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-08T00:00:00+00:00", "rows": 6300},
        "retrain": {"trigger": "decay", "because": "performance: worse"},
    }
)


def window(day: int, release: str = "v0.1.0", **facts: object) -> WindowSummary:
    return WindowSummary(START + timedelta(days=day), release, **facts)


def page(*windows: WindowSummary, outcome: Outcome = Outcome.FAIL, reason: str = "") -> str:
    verdicts = [Verdict("skew", outcome, "as in training", "far", reason)]
    return monitoring_page.render("production", verdicts, EVIDENCE, windows or [window(1)])


class Balanced(HTMLParser):
    """Fails on a tag that is closed wrongly."""

    ALONE = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, *_: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def test_the_page_is_well_formed_and_self_contained():
    interval = {"value": 0.7, "low": 0.6, "high": 0.8}
    text = page(
        *(
            window(day, baseline=0.7, performance=interval, rows=9, columns={"size": 0.4}, p50_milliseconds=1)
            for day in range(9)
        )
    )
    parser = Balanced()
    parser.feed(text)
    assert [] == parser.open
    assert not re.search(r"<script|<link|src=|url\(|https?://", text)


def test_the_verdict_comes_first_followed_by_the_request_to_retrain():
    text = page()
    assert (
        text.index("Not healthy: skew")
        < text.index("Retraining requested by decay")
        < text.index("<svg" if "<svg" in text else "Checks")
    )


def test_a_name_cannot_inject_anything():
    text = page(window(1, release="<b>v", columns={'"><script>': 2.0}), reason="<script>alert(1)</script>")
    assert "<script" not in text


def test_a_release_is_marked_in_its_first_window():
    releases = ["v0.1.0", "v0.1.0", "v0.2.0", "v0.1.0"]
    marks = monitoring_page._releases([window(day, release) for day, release in enumerate(releases)])
    assert [("v0.1.0", 0), ("v0.2.0", 2), ("v0.1.0", 3)] == [(name, (time - START).days) for time, name in marks]


@pytest.mark.parametrize(("score", "step"), [(-0.4, 0), (0.2, 1), (0.7, 2), (1.3, 3), (4.0, 4)])
def test_the_heat_map_has_a_level_for_the_score_of_a_column(score, step):
    assert f'class="h{step}" title="size, 02 Jan: {score:.2f}"' in page(window(1, columns={"size": score}))


def test_a_window_without_a_value_is_a_gap_and_a_single_value_a_dot():
    times = [START + timedelta(days=day) for day in range(4)]
    text = charts.render(charts.TimeChart("Rows", times, [charts.TimeSeries("rows", [1.0, 2.0, None, 4.0], "first")]))
    assert (1, 1) == (text.count("<polyline"), text.count("<circle"))


def test_a_chart_without_values_reports_that_nothing_was_measured():
    assert "Nothing was measured." in charts.render(
        charts.TimeChart("Rows", [START], [charts.TimeSeries("rows", [None], "first")])
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.7152, "0.715"), (6300.0, "6.3k"), (2e6, "2M"), (0.0, "0"), (None, "unknown")]
)
def test_values_have_three_digits_and_a_unit_prefix(value, text):
    chart = charts.TimeChart("Rows", [START], [charts.TimeSeries("rows", [1.0], "first")])
    assert text == charts._TimePlot(chart, [1.0]).text(value)


def test_windows_within_a_day_are_labeled_by_the_minute():
    hours = [WindowSummary(START + timedelta(hours=hour), "v0.1.0", rows=9) for hour in (8, 20)]
    assert ">01 Jan 08:00<" in page(*hours)
    assert ">01 Jan 20:00<" in page(*hours)
    assert ">03 Jan 2026<" in page(window(0), window(2, rows=9))
