"""Small charts over time, as SVG that takes its colours from the page: no script, no library, nothing fetched.

Drawn 360 wide, which is a phone; a page sets them side by side where there is room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 200, 40, 10, 22, 24
LETTERS = {1: "", 1e3: "k", 1e6: "M", 1e9: "G"}
STEPS = 3  # lines across
SHORT = 172_800  # seconds; times that are nearer to each other are told by the minute, not by the day
MARGIN = 0.08  # of the values' range, above and below them


@dataclass(frozen=True)
class Line:
    """Values over time; `kind` is the class that the page's style colours. None is a gap."""

    name: str
    values: Sequence[float | None]
    kind: str
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines, or bars, over common times; `band` holds a low and a high for each time, or None."""

    title: str
    times: Sequence[datetime]
    lines: Sequence[Line]
    band: Sequence[tuple[float, float] | None] = ()
    marks: Sequence[tuple[datetime, str]] = field(default_factory=tuple)
    """Moments with a word: when a release began to answer."""
    bars: bool = False
    floor: float | None = None
    """Where the axis begins, whatever the values are."""


STYLE = """
.chart { margin: 0; min-width: 0; } .chart figcaption { font-weight: 600; font-size: .95rem; }
.chart svg { display: block; width: 100%; height: auto; }
.chart text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
.chart .grid { stroke: var(--line); } .chart .mark { stroke: var(--quiet); stroke-dasharray: 2 3; }
.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .dashed { stroke-dasharray: 5 4; } .chart .band { stroke: none; opacity: .18; }
.one { --ink: var(--blue); } .two { --ink: var(--orange); } .three { --ink: var(--quiet); }
.chart polyline, .chart circle, .chart .bar { stroke: var(--ink); }
.chart .band, .chart circle, .chart .bar { fill: var(--ink); }
.key { display: flex; flex-wrap: wrap; gap: 0 .9rem; font-size: .8rem; color: var(--quiet); min-height: 1.2rem; }
.key i { display: inline-block; width: .9rem; border-top: 3px solid var(--ink); margin-right: .3rem; }
.key i { vertical-align: .25em; }
.key i.dashed { border-top-style: dashed; }
"""


def render(chart: Chart) -> str:
    """The chart as a figure; a sentence in place of one that has no values."""
    values = [value for line in chart.lines for value in line.values if value is not None]
    values += [end for pair in chart.band if pair for end in pair]
    head = f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>'
    if not values:
        return f'{head}<p class="quiet">Nothing was measured.</p></figure>'
    frame = _Frame(chart, values)
    key = "".join(
        f'<span class="{line.kind}"><i{" class=dashed" if line.dashed else ""}></i>{escape(line.name)}</span>'
        for line in chart.lines
    )
    drawn = "\n".join([frame.axes(), frame.marks(), frame.band(), *map(frame.line, chart.lines)])
    label = f"{chart.title}, last {frame.text(chart.lines[0].values[-1])}"
    return (
        f'{head}<div class="key">{key}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"\n{drawn}\n</svg></figure>"
    )


class _Frame:
    """Places values in the picture."""

    def __init__(self, chart: Chart, values: Sequence[float]) -> None:
        self._chart = chart
        low, high = min(values), max(values)
        room = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
        self._low = low - room if chart.floor is None else chart.floor
        self._high = high + room
        self._first, self._last = chart.times[0], chart.times[-1]

    def text(self, value: float | None) -> str:
        """A value in few characters."""
        if value is None:
            return "unknown"
        size = next((size for size in (1e9, 1e6, 1e3) if abs(value) >= size), 1)
        return f"{value / size:.3g}{LETTERS[size]}"

    def axes(self) -> str:
        """Lines across with their values, and the first and the last day, or minute."""
        is_short = (self._last - self._first).total_seconds() < SHORT
        parts, form = [], "%d %b %H:%M" if is_short else "%d %b %Y"
        for step in range(STEPS + 1):
            value = self._low + (self._high - self._low) * step / STEPS
            y = self._y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{self.text(value)}</text>')
        for time, x, anchor in ((self._first, LEFT, "start"), (self._last, WIDTH - RIGHT, "end")):
            parts.append(f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{time:{form}}</text>')
        return "\n".join(parts)

    def marks(self) -> str:
        """A line upwards with a word for each moment."""
        return "\n".join(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{min(x + 3, WIDTH - 50):.1f}" y="{TOP - 8}">{escape(word)}</text>'
            for x, word in ((self._x(time), word) for time, word in self._chart.marks)
        )

    def band(self) -> str:
        """The area between low and high."""
        known = [
            (self._x(time), *pair) for time, pair in zip(self._chart.times, self._chart.band, strict=False) if pair
        ]
        if not known:
            return ""
        there = [f"{x:.1f},{self._y(high):.1f}" for x, _, high in known]
        back = [f"{x:.1f},{self._y(low):.1f}" for x, low, _ in reversed(known)]
        return f'<g class="one"><polygon class="band" points="{" ".join(there + back)}"/></g>'

    def line(self, line: Line) -> str:
        """One line, broken where a value is missing; a value alone is a dot."""
        if self._chart.bars:
            return self._bars(line)
        parts = []
        for run in _runs([(self._x(time), value) for time, value in zip(self._chart.times, line.values, strict=True)]):
            points = " ".join(f"{x:.1f},{self._y(value):.1f}" for x, value in run)
            alone = f'<circle cx="{run[0][0]:.1f}" cy="{self._y(run[0][1]):.1f}" r="3"/>'
            dashed = ' class="dashed"' if line.dashed else ""
            parts.append(alone if len(run) == 1 else f'<polyline{dashed} points="{points}"/>')
        return f'<g class="{line.kind}">{"".join(parts)}</g>'

    def _bars(self, line: Line) -> str:
        wide = max(1.0, (WIDTH - LEFT - RIGHT) / (len(line.values) + 1) * 0.7)
        bars = (
            f'<rect class="bar" x="{self._x(time, wide) - wide / 2:.1f}" y="{self._y(value):.1f}" width="{wide:.1f}" '
            f'height="{self._y(self._low) - self._y(value):.1f}"/>'
            for time, value in zip(self._chart.times, line.values, strict=True)
            if value is not None
        )
        return f'<g class="{line.kind}">{"".join(bars)}</g>'

    def _x(self, time: datetime, margin: float = 0.0) -> float:
        whole = (self._last - self._first).total_seconds()
        across = (time - self._first).total_seconds() / whole if whole else 0.5
        return LEFT + margin / 2 + min(max(across, 0.0), 1.0) * (WIDTH - LEFT - RIGHT - margin)

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self._low) / (self._high - self._low) * (HEIGHT - TOP - BOTTOM)


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Points that follow each other without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, value))
    return [run for run in runs if run]
