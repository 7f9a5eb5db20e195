"""Alarms do not flap: several windows raise or clear them, and a window that is assessed twice counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slipway.monitoring.alarm_state import POINTS_MAX, Alarm, MonitorState, Point

START = datetime(2013, 10, 1, tzinfo=UTC)


def _raised(outcomes: str) -> str:
    """Return in which windows the alarm is raised, given those in which the check failed, as `x`."""
    alarm, raised = Alarm(), ""
    for outcome in outcomes:
        alarm = alarm.next(outcome == "x", raise_after=2, clear_after=2)
        raised += "x" if alarm.raised else "."
    return raised


@pytest.mark.parametrize(
    ("outcomes", "raised"),
    [
        ("......", "......"),
        ("x.x.x.", "......"),
        ("xx....", ".xx..."),
        ("xx.x..", ".xxxx."),
        ("xxxxxx", ".xxxxx"),
    ],
)
def test_an_alarm_takes_two_windows_to_raise_and_two_to_clear(outcomes, raised):
    assert raised == _raised(outcomes)


def test_an_alarm_without_randomness_changes_after_one_window():
    assert [True, False] == [Alarm(raised=not failed).next(failed, 1, 1).raised for failed in (True, False)]


def _after(state: MonitorState, day: int, alarm: Alarm) -> MonitorState:
    return state.after({"drift": alarm}, Point(end=START + timedelta(days=day), release="v0.1.0", days=7))


def test_assessing_the_same_window_again_starts_from_the_same_alarms():
    state = _after(MonitorState(), 1, Alarm(run=1))
    again = _after(state, 1, Alarm(run=1))
    assert {} == again.alarms_before(START + timedelta(days=1))
    assert {"drift": Alarm(run=1)} == again.alarms_before(START + timedelta(days=2))
    assert 1 == len(again.points)


def test_the_state_keeps_a_bounded_number_of_points_and_survives_json():
    state = MonitorState()
    for day in range(POINTS_MAX + 5):
        state = _after(state, day, Alarm())
    assert POINTS_MAX == len(state.points)
    assert state == MonitorState.model_validate_json(state.model_dump_json())
