"""The counts of a window come from counter snapshots, across restarts, new services and failed scrapes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway.monitoring.snapshots import SNAPSHOTS_MAX, CounterHistory, Counters, CounterSnapshot
from slipway.serving.metrics import Metrics

START = datetime(2026, 1, 31, tzinfo=UTC)


def at(hours: float, **requests: float) -> CounterSnapshot:
    services = {tag: Counters(requests=count, errors=count / 10) for tag, count in requests.items()}
    return CounterSnapshot(time=START + timedelta(hours=hours), services=services)


def between(*snapshots: CounterSnapshot, hours: float = 24):
    return CounterHistory(kept=list(snapshots)).between(START, START + timedelta(hours=hours))


def test_counters_are_read_from_what_the_service_exports():
    counted = Metrics({"version": "v1", "commit": "c"}, {"task": "binary"})
    for status in (200, 200, 422, 503):
        counted.answered(status, 0.003)
    counted.refused("contract")
    counted.refused("overload")
    counted.logged("written", 5)
    counted.logged("queue_full", 2)
    families = text_string_to_metric_families(counted.text().decode())
    counters = Counters.of(sample for family in families for sample in family.samples)
    assert (4, 1, 1, 2) == (counters.requests, counters.errors, counters.refused, counters.lost_rows)
    assert 2.5 <= counters.milliseconds(0.5) <= 5


def test_a_window_counts_from_the_snapshot_before_it_to_its_last_one():
    counts = between(at(-5, a=50), at(-1, a=100), at(6, a=150), at(12, a=300), at(30, a=999))
    assert (200, 20) == (counts.requests, counts.errors)
    assert pytest.approx(150 / (6 * 3600)) == counts.peak_rate


def test_a_new_or_restarted_service_counts_from_zero():
    assert 70 == between(at(-1, a=100), at(6, a=120, b=50)).requests
    assert 30 == between(at(-1, a=100), at(6, a=30)).requests


def test_a_single_snapshot_has_no_counts_and_an_empty_one_is_not_stored():
    assert between(at(-1, a=100)) is None
    assert CounterHistory() == CounterHistory().with_new(at(1))


def test_the_number_of_snapshots_is_bounded():
    history = CounterHistory()
    for hour in range(SNAPSHOTS_MAX + 3):
        history = history.with_new(at(hour, a=1))
    assert SNAPSHOTS_MAX == len(history.kept)


@pytest.mark.parametrize(
    ("within", "quantile", "milliseconds"),
    [
        ({}, 0.5, None),
        ({"0.1": 0, "+Inf": 0}, 0.5, None),
        ({"0.1": 100, "0.2": 200, "+Inf": 200}, 0.5, 100),
        ({"0.1": 100, "0.2": 200, "+Inf": 200}, 0.75, 150),
        ({"0.1": 100, "+Inf": 200}, 0.99, 100),
    ],
)
def test_a_quantile_lies_within_its_bucket(within, quantile, milliseconds):
    assert pytest.approx(milliseconds) == Counters(within=within).milliseconds(quantile)
