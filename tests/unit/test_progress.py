"""The time that remains of a demo follows earlier durations and the pace of this one."""

from __future__ import annotations

import json

import pytest

from slipway.local.progress import PHASES, Progress

TOTAL = sum(PHASES.values())
FIRST, *REST = PHASES


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def progress(tmp_path, clock):
    return Progress(tmp_path / "durations.json", clock=lambda: clock[0])


def test_first_demo_expects_the_default_durations(progress):
    progress.begin()
    assert TOTAL == pytest.approx(progress.remaining())


def test_time_in_a_phase_counts_and_never_becomes_negative(progress, clock):
    progress.begin()
    clock[0] += 10
    assert TOTAL - 10 == pytest.approx(progress.remaining())
    clock[0] += TOTAL
    assert 0 == progress.remaining()


def test_slow_machine_remains_slow(progress, clock):
    progress.begin()
    clock[0] += 2 * PHASES[FIRST]
    progress.end(FIRST)
    progress.begin()
    assert 2 * sum(PHASES[phase] for phase in REST) == pytest.approx(progress.remaining())


def test_next_demo_expects_the_durations_of_the_last(progress, clock):
    for phase in PHASES:
        progress.begin()
        clock[0] += 7
        progress.end(phase)
    progress.keep()
    following = Progress(progress.file, clock=progress.clock)
    following.begin()
    assert 7 * len(PHASES) == following.remaining()


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"a": "b"})])
def test_unreadable_durations_are_ignored(progress, content):
    progress.file.write_text(content, encoding="utf-8")
    assert PHASES == Progress(progress.file).expected
