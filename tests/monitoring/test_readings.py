"""What the services counted in a window, from readings at each look: restarts, new services and silence included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway.monitoring.readings import KEPT, Counters, Reading, Readings
from slipway.serving.metrics import Metrics

START = datetime(2026, 1, 31, tzinfo=UTC)


def at(hours: float, **requests: float) -> Reading:
    services = {mark: Counters(requests=count, errors=count / 10) for mark, count in requests.items()}
    return Reading(time=START + timedelta(hours=hours), services=services)


def between(*readings: Reading, hours: float = 24):
    return Readings(kept=list(readings)).between(START, START + timedelta(hours=hours))


def test_counters_are_read_from_what_the_service_exports():
    counted = Metrics({"version": "v1", "commit": "c"}, {"task": "binary"})
    for status in (200, 200, 422, 503):
        counted.answered(status, 0.003)
    counted.refused("contract")
    counted.refused("overload")
    counted.logged("written", 5)
    counted.logged("queue_full", 2)
    samples = [one for family in text_string_to_metric_families(counted.text().decode()) for one in family.samples]
    found = Counters.of(samples)
    assert (4, 1, 1, 2) == (found.requests, found.errors, found.refused, found.lost_rows)
    assert 2.5 <= found.milliseconds(0.5) <= 5


def test_a_window_has_what_came_between_the_reading_before_it_and_its_last():
    found = between(at(-5, a=50), at(-1, a=100), at(6, a=150), at(12, a=300), at(30, a=999))
    assert (200, 20) == (found.requests, found.errors)
    assert pytest.approx(150 / (6 * 3600)) == found.peak_rate


def test_a_service_that_is_new_or_was_started_again_has_counted_from_zero():
    assert 70 == between(at(-1, a=100), at(6, a=120, b=50)).requests
    assert 30 == between(at(-1, a=100), at(6, a=30)).requests


def test_one_reading_says_nothing_and_nobody_who_answers_is_none():
    assert between(at(-1, a=100)) is None
    assert Readings() == Readings().with_new(at(1))


def test_readings_are_bounded():
    known = Readings()
    for hour in range(KEPT + 3):
        known = known.with_new(at(hour, a=1))
    assert KEPT == len(known.kept)


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
