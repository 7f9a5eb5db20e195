"""Forest plots, as text that any comment shows and as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from slipway import figures
from slipway.report.svg import CHARACTER_PIXELS, Plot, axis_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.report.document import Estimate, Forest

COLUMNS = 41  # characters of the axis
LABEL_CHARACTERS_MAX = 28
MARK = "┊"
LEGEND = f"{MARK} marks, from left to right: "
ROW_PIXELS = 26
WIDTH_PIXELS = 640
BOTTOM_PIXELS = 56
LEVELS = 3  # of the names below the axis


def as_text(forest: Forest) -> list[str]:
    """Return the plot as lines of text in a fixed-width font: title, one line for each estimate, and the marks."""
    low, high = _axis(forest)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (COLUMNS - 1))

    labels = [_cut(estimate.label) for estimate in forest.estimates]
    width = max(map(len, labels))
    marks = sorted(forest.marks.items(), key=lambda mark: mark[1])
    lines = [forest.title, ""]
    for label, estimate in zip(labels, forest.estimates, strict=True):
        cells = [" "] * COLUMNS
        for _, value in marks:
            cells[column(value)] = MARK
        first, middle, last = column(estimate.low), column(estimate.value), column(estimate.high)
        cells[first : last + 1] = "─" * (last - first + 1)
        if first < last:
            cells[first], cells[last] = "├", "┤"
        cells[middle] = "●"
        lines.append(f"{label:<{width}}  {''.join(cells)}  {_numbers(estimate)}  {estimate.remark}".rstrip())
    legend = ", ".join(f"{name} {axis_label(value)}" for name, value in marks)
    return [*lines, "", f"{LEGEND}{legend}"]


def as_svg(forest: Forest) -> str:
    """Return the plot as an SVG element."""
    count = len(forest.estimates)
    left = CHARACTER_PIXELS * max(len(_cut(estimate.label)) for estimate in forest.estimates) + 8
    plot = Plot(
        WIDTH_PIXELS, count * ROW_PIXELS + BOTTOM_PIXELS, left, 16, 8, BOTTOM_PIXELS, _axis(forest), (count - 0.5, -0.5)
    )
    label = "; ".join(f"{estimate.label} {_numbers(estimate)}" for estimate in forest.estimates)
    return plot.render(f"{forest.title}: {label}", "\n".join([*_marks(plot, forest), *_intervals(plot, forest)]))


def _marks(plot: Plot, forest: Forest) -> Iterator[str]:
    """Yield a vertical line for each mark, with its name below, on several levels so that neighbors do not overlap."""
    end = plot.height - plot.bottom
    for position, (name, value) in enumerate(sorted(forest.marks.items(), key=lambda mark: mark[1])):
        x, label = plot.x(value), f"{name} {axis_label(value)}"
        text, half = escape(label), CHARACTER_PIXELS * len(label) / 2
        center = min(max(x, half), plot.width - half)  # inside the picture
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{plot.top}" y2="{end}" stroke="#8888" stroke-dasharray="3 3"/>'
        yield f'<text x="{center:.1f}" y="{end + 16 + 16 * (position % LEVELS)}" text-anchor="middle">{text}</text>'


def _intervals(plot: Plot, forest: Forest) -> Iterator[str]:
    for row, estimate in enumerate(forest.estimates):
        y, (low, value, high) = plot.y(row), map(plot.x, (estimate.low, estimate.value, estimate.high))
        color = "#ea580c" if estimate.high < 0 else "#2563eb" if estimate.low > 0 else "#6b7280"
        yield f'<text x="{plot.left - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(_cut(estimate.label))}</text>'
        yield f'<g stroke="{color}" fill="{color}"><title>{escape(_numbers(estimate))}</title>'
        yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="2"/>'
        yield f'<circle cx="{value:.1f}" cy="{y:.1f}" r="4"/></g>'


def _axis(forest: Forest) -> tuple[float, float]:
    """Return the ends of the axis, which has every interval and every mark."""
    values = [end for estimate in forest.estimates for end in (estimate.low, estimate.value, estimate.high)]
    low, high = min([*values, *forest.marks.values()]), max([*values, *forest.marks.values()])
    return (low, high) if high > low else (low - 1, high + 1)


def _numbers(estimate: Estimate) -> str:
    value, low, high = figures.as_text(estimate.value, estimate.low, estimate.high, sign="+")
    return f"{value} [{low}, {high}]"


def _cut(label: str) -> str:
    return figures.shorten(label, LABEL_CHARACTERS_MAX)
