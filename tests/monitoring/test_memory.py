"""Alarms do not flap: some windows raise them, some clear them, and the same window asked about twice counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slipway.monitoring.memory import POINTS, Alarm, Memory, Point

START = datetime(2013, 10, 1, tzinfo=UTC)


def _raised(asked: str) -> str:
    alarm, raised = Alarm(), ""
    for one in asked:
        alarm = alarm.next(one == "x", raise_after=2, clear_after=2)
        raised += "x" if alarm.raised else "."
    return raised


@pytest.mark.parametrize(
    ("asked", "raised"),
    [
        ("......", "......"),
        ("x.x.x.", "......"),
        ("xx....", ".xx..."),
        ("xx.x..", ".xxxx."),
        ("xxxxxx", ".xxxxx"),
    ],
)
def test_an_alarm_takes_two_windows_to_raise_and_two_to_clear(asked, raised):
    assert raised == _raised(asked)


def test_an_alarm_that_chance_has_no_part_in_follows_at_once():
    assert [True, False] == [Alarm(raised=not asks).next(asks, 1, 1).raised for asks in (True, False)]


def _after(memory: Memory, day: int, alarm: Alarm) -> Memory:
    return memory.after({"drift": alarm}, Point(end=START + timedelta(days=day), release="v0.1.0", days=7))


def test_the_same_window_asked_again_starts_from_the_same_alarms():
    memory = _after(Memory(), 1, Alarm(run=1))
    again = _after(memory, 1, Alarm(run=1))
    assert {} == again.alarms_before(START + timedelta(days=1))
    assert {"drift": Alarm(run=1)} == again.alarms_before(START + timedelta(days=2))
    assert 1 == len(again.points)


def test_the_memory_keeps_a_bounded_number_of_points_and_survives_json():
    memory = Memory()
    for day in range(POINTS + 5):
        memory = _after(memory, day, Alarm())
    assert POINTS == len(memory.points)
    assert memory == Memory.model_validate_json(memory.model_dump_json())
