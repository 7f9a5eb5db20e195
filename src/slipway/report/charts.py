"""Small charts over time as inline SVG, without script or library. The page's style sheet sets the colors.

A chart is 360 pixels wide, the width of a phone. A page lays charts out side by side where the screen is wider.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from slipway.report.svg import Plot, axis_label, label_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

GRID_INTERVALS = 3
LEFT_PIXELS_MIN = 40  # of the margin for the labels of the value axis
MINUTES_SPAN_SECONDS_MAX = 172_800
"""A longer span labels its time axis by the day, a shorter one by the minute."""
MARGIN_RATIO = 0.08  # of the range of the values, above and below


@dataclass(frozen=True)
class TimeSeries:
    """Values over time, with None for a gap. `kind` is the CSS class that sets the color."""

    name: str
    values: Sequence[float | None]
    kind: str
    dashed: bool = False


@dataclass(frozen=True)
class TimeChart:
    """Lines or bars over common times."""

    title: str
    times: Sequence[datetime]
    lines: Sequence[TimeSeries]
    band: Sequence[tuple[float, float] | None] = ()
    """Lower and upper bound of an interval at each time, or None."""
    marks: Sequence[tuple[datetime, str]] = field(default_factory=tuple)
    """Labeled times, such as that of a new release."""
    bars: bool = False
    axis_min: float | None = None
    """Start of the value axis; by default just below the smallest value."""


STYLE = """
.chart { margin: 0; min-width: 0; } .chart figcaption { font-weight: 600; font-size: .95rem; }
.chart svg { display: block; width: 100%; height: auto; }
.chart text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
.chart .grid { stroke: var(--line); } .chart .mark { stroke: var(--quiet); stroke-dasharray: 2 3; }
.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .dashed { stroke-dasharray: 5 4; } .chart .band { stroke: none; opacity: .18; }
.first { --ink: var(--blue); } .second { --ink: var(--orange); } .third { --ink: var(--quiet); }
.chart polyline, .chart circle, .chart .bar { stroke: var(--ink); }
.chart .band, .chart circle, .chart .bar { fill: var(--ink); }
.key { display: flex; flex-wrap: wrap; gap: 0 .9rem; font-size: .8rem; color: var(--quiet); min-height: 1.2rem; }
.key i { display: inline-block; width: .9rem; border-top: 3px solid var(--ink); margin-right: .3rem; }
.key i { vertical-align: .25em; }
.key i.dashed { border-top-style: dashed; }
"""


def render(chart: TimeChart) -> str:
    """Return the chart as an HTML figure, with a sentence in place of the plot if it has no values."""
    values = [value for line in chart.lines for value in line.values if value is not None]
    values += [end for pair in chart.band if pair for end in pair]
    head = f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>'
    if not values:
        return f'{head}<p class="quiet">Nothing was measured.</p></figure>'
    plot = _TimePlot(chart, values)
    key = "".join(
        f'<span class="{line.kind}"><i{" class=dashed" if line.dashed else ""}></i>{escape(line.name)}</span>'
        for line in chart.lines
    )
    drawn = "\n".join([plot.axes(), plot.marks(), plot.band(), *map(plot.line, chart.lines)])
    label = f"{chart.title}, latest {plot.text(chart.lines[0].values[-1])}"
    return f'{head}<div class="key">{key}</div>{plot.area.render(label, drawn)}</figure>'


class _TimePlot:
    """Draws the parts of a chart in its coordinates."""

    def __init__(self, chart: TimeChart, values: Sequence[float]) -> None:
        self._chart = chart
        low, high = min(values), max(values)
        margin = (high - low) * MARGIN_RATIO or abs(high) * MARGIN_RATIO or 1.0
        start = low - margin if chart.axis_min is None else chart.axis_min
        ends = chart.times[0].timestamp(), chart.times[-1].timestamp()
        left = max(LEFT_PIXELS_MIN, label_pixels(start, high + margin, GRID_INTERVALS))
        self.area = Plot(360, 200, left, 10, 22, 24, ends, (start, high + margin))

    def text(self, value: float | None) -> str:
        """Return a value with three significant digits and a unit prefix."""
        if value is None:
            return "unknown"
        return axis_label(value)

    def axes(self) -> str:
        """Draw grid lines with their values, and the first and last time."""
        area, (first, last) = self.area, (self._chart.times[0], self._chart.times[-1])
        form = "%d %b %H:%M" if (last - first).total_seconds() < MINUTES_SPAN_SECONDS_MAX else "%d %b %Y"
        parts = [*area.grid(GRID_INTERVALS, 'class="grid"', 5)]
        for time, x, anchor in ((first, area.left, "start"), (last, area.width - area.right, "end")):
            parts.append(f'<text x="{x}" y="{area.height - 6}" text-anchor="{anchor}">{time:{form}}</text>')
        return "\n".join(parts)

    def marks(self) -> str:
        """Draw a vertical line with its label for each marked time."""
        area = self.area
        return "\n".join(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{area.top - 6}" y2="{area.height - area.bottom}"/>'
            f'<text x="{min(x + 3, area.width - 50):.1f}" y="{area.top - 8}">{escape(label)}</text>'
            for x, label in ((area.x(time.timestamp()), label) for time, label in self._chart.marks)
        )

    def band(self) -> str:
        """Draw the area between lower and upper bounds."""
        times = [time.timestamp() for time in self._chart.times]
        bounds = [(time, *pair) for time, pair in zip(times, self._chart.band, strict=False) if pair]
        if not bounds:
            return ""
        edge = [(time, high) for time, _, high in bounds] + [(time, low) for time, low, _ in reversed(bounds)]
        return f'<g class="first"><polygon class="band" points="{self.area.pixels(edge)}"/></g>'

    def line(self, line: TimeSeries) -> str:
        """Draw a series with a gap where a value is missing; a value between two gaps is a dot."""
        if self._chart.bars:
            return self._bars(line)
        times = [time.timestamp() for time in self._chart.times]
        parts = [self._run(run, dashed=line.dashed) for run in _runs([*zip(times, line.values, strict=True)])]
        return f'<g class="{line.kind}">{"".join(parts)}</g>'

    def _run(self, run: Sequence[tuple[float, float]], *, dashed: bool) -> str:
        if len(run) > 1:
            return self.area.polyline(run, 'class="dashed"' if dashed else "")
        time, value = run[0]
        return f'<circle cx="{self.area.x(time):.1f}" cy="{self.area.y(value):.1f}" r="3"/>'

    def _bars(self, line: TimeSeries) -> str:
        area, floor = self.area, self.area.y(self.area.ys[0])
        width = max(1.0, (area.width - area.left - area.right) / (len(line.values) + 1) * 0.7)
        bars = (
            f'<rect class="bar" x="{area.x(time.timestamp(), width) - width / 2:.1f}" y="{area.y(value):.1f}" '
            f'width="{width:.1f}" height="{floor - area.y(value):.1f}"/>'
            for time, value in zip(self._chart.times, line.values, strict=True)
            if value is not None
        )
        return f'<g class="{line.kind}">{"".join(bars)}</g>'


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split points into runs without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, value))
    return [run for run in runs if run]
