"""What one look at production leaves for the next: alarms that are raised, and the series that are plotted.

An alarm is raised after some windows in a row that ask for it, and cleared after some that do not, so that a value near
its limit does not flap. Asked again about the same window, the answer is the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

POINTS = 400  # windows that are kept for the plots


class Alarm(BaseModel):
    """Of one question."""

    model_config = ConfigDict(frozen=True)

    raised: bool = False
    run: int = 0
    """Windows in a row that contradict `raised`."""

    def next(self, asks: bool, raise_after: int, clear_after: int) -> Alarm:
        """After a window that asks for an alarm, or does not."""
        if asks == self.raised:
            return Alarm(raised=self.raised)
        needed = clear_after if self.raised else raise_after
        return Alarm(raised=asks) if self.run + 1 >= needed else Alarm(raised=self.raised, run=self.run + 1)


class Point(BaseModel):
    """What the plots show of one window."""

    model_config = ConfigDict(frozen=True)

    end: datetime
    release: str
    days: float
    facts: dict[str, Any] = {}


class Memory(BaseModel):
    """Of one environment; hand it from look to look. JSON by pydantic."""

    model_config = ConfigDict(frozen=True)

    end: datetime | None = None
    """Of the newest window."""
    alarms: dict[str, Alarm] = {}
    before: dict[str, Alarm] = {}
    """The alarms as they were before the newest window."""
    points: list[Point] = []

    def alarms_before(self, end: datetime) -> dict[str, Alarm]:
        """Alarms as they were before a window that ends at `end`; the newest window may be asked about again."""
        return self.before if self.end == end else self.alarms

    def after(self, alarms: dict[str, Alarm], point: Point) -> Memory:
        """With one more window."""
        points = [one for one in self.points if one.end != point.end]
        points = sorted([*points, point], key=lambda one: one.end)[-POINTS:]
        return Memory(end=point.end, alarms=alarms, before=self.alarms_before(point.end), points=points)
