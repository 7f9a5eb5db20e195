"""The state that one assessment leaves for the next: the alarms, and the series of the plots.

An alarm is raised after several failing windows in a row, and cleared after several passing ones, so a value near its
limit does not flap. Assessing the same window again gives the same alarms.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

POINTS_MAX = 400  # windows that the plots keep


class Alarm(BaseModel):
    """The alarm of one check."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    raised: bool = False
    run: int = 0
    """Consecutive windows that contradict `raised`."""

    def next(self, failed: bool, raise_after: int, clear_after: int) -> Alarm:
        """Return the alarm after a window in which the check `failed` or passed.

        raise_after, clear_after: consecutive windows that raise or clear the alarm.
        """
        if failed == self.raised:
            return Alarm(raised=self.raised)
        required = clear_after if self.raised else raise_after
        return Alarm(raised=failed) if self.run + 1 >= required else Alarm(raised=self.raised, run=self.run + 1)


class PointFacts(BaseModel):
    """Measurements of one window; older states lack some."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    rows: int | None = None
    performance: dict[str, float | str | None] | None = None
    """Estimate of the metric on late labels; a limit is None in the file where it is not finite."""
    baseline: float | None = None
    metric: str | None = None
    columns: dict[str, float | None] = {}
    """Worst score of each column."""
    p50: float | None = None
    p99: float | None = None


class Point(BaseModel):
    """Measurements of one window for the plots."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    end: datetime
    release: str
    days: float
    facts: PointFacts = PointFacts()


class MonitorState(BaseModel):
    """The state of one environment, stored as JSON between assessments."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    end: datetime | None = None
    """End of the newest window."""
    alarms: dict[str, Alarm] = {}
    before: dict[str, Alarm] = {}
    """Alarms before the newest window."""
    points: list[Point] = []

    def alarms_before(self, end: datetime) -> dict[str, Alarm]:
        """Return the alarms before the window that ends at `end`, which may be the newest one again."""
        return self.before if self.end == end else self.alarms

    def after(self, alarms: dict[str, Alarm], point: Point) -> MonitorState:
        """Return the state with one more window, or with the newest one replaced."""
        points = [earlier for earlier in self.points if earlier.end != point.end]
        points = sorted([*points, point], key=lambda point: point.end)[-POINTS_MAX:]
        return MonitorState(end=point.end, alarms=alarms, before=self.alarms_before(point.end), points=points)
