"""Bar charts of signed values with standard errors, as text that any comment shows and as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from slipway import figures
from slipway.report.svg import CHARACTER_PIXELS, Plot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.report.document import Bar, BarChart

COLUMNS = 41  # characters of the axis
LABEL_CHARACTERS_MAX = 28
ZERO = "│"
ROW_PIXELS = 22
WIDTH_PIXELS = 640
NUMBER_PIXELS = 7  # of a character of a number; digits are narrower than the widest letter
UP_COLOR, DOWN_COLOR = "#b2182b", "#2166ac"


def as_text(chart: BarChart) -> list[str]:
    """Return the chart as lines of text in a fixed-width font: title, and one line for each bar."""
    low, high = _axis(chart)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (COLUMNS - 1))

    labels = [figures.shorten(bar.label, LABEL_CHARACTERS_MAX) for bar in chart.bars]
    width, zero = max(map(len, labels)), column(0)
    lines = [chart.title, ""]
    for label, numbers, bar in zip(labels, _numbers(chart), chart.bars, strict=True):
        cells, end = [" "] * COLUMNS, column(bar.value)
        first, last = min(zero, end), max(zero, end)
        cells[first : last + 1] = "█" * (last - first + 1)
        cells[zero] = ZERO
        lines.append(f"{label:<{width}}  {''.join(cells)}  {numbers}")
    return lines


def as_svg(chart: BarChart) -> str:
    """Return the chart as an SVG element; a line across the end of a bar is its value ± one standard error."""
    count, numbers = len(chart.bars), _numbers(chart)
    left = CHARACTER_PIXELS * max(len(figures.shorten(bar.label, LABEL_CHARACTERS_MAX)) for bar in chart.bars) + 8
    right = NUMBER_PIXELS * max(map(len, numbers)) + 8
    plot = Plot(WIDTH_PIXELS, count * ROW_PIXELS + 16, left, right, 8, 8, _axis(chart), (count - 0.5, -0.5))
    label = "; ".join(f"{bar.label} {number}" for bar, number in zip(chart.bars, numbers, strict=True))
    zero = f'<line x1="{plot.x(0):.1f}" x2="{plot.x(0):.1f}" y1="8" y2="{plot.height - 8}" stroke="#8888"/>'
    drawn = (_drawn(plot, row, bar, number) for row, (bar, number) in enumerate(zip(chart.bars, numbers, strict=True)))
    return plot.render(f"{chart.title}: {label}", "\n".join([zero, *(part for parts in drawn for part in parts)]))


def _drawn(plot: Plot, row: int, bar: Bar, numbers: str) -> Iterator[str]:
    y, zero, end = plot.y(row), plot.x(0), plot.x(bar.value)
    low, high = plot.x(bar.value - bar.error), plot.x(bar.value + bar.error)
    name, color = escape(figures.shorten(bar.label, LABEL_CHARACTERS_MAX)), DOWN_COLOR if bar.value < 0 else UP_COLOR
    yield f'<text x="{plot.left - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
    yield f'<rect x="{min(zero, end):.1f}" y="{y - 7:.1f}" width="{abs(end - zero):.1f}" height="14" fill="{color}"/>'
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" stroke-width="3"/>'
    yield f'<text x="{plot.width - plot.right + 8}" y="{y + 4:.1f}">{escape(numbers)}</text>'


def _axis(chart: BarChart) -> tuple[float, float]:
    """Return the ends of the axis, which has zero and every value ± its standard error."""
    ends = [end for bar in chart.bars for end in (bar.value - bar.error, bar.value + bar.error)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return (low, high) if high > low else (-1.0, 1.0)


def _numbers(chart: BarChart) -> list[str]:
    """Return each value with its standard error; all have the same number of decimals."""
    errors = figures.as_text(*(bar.error for bar in chart.bars))
    values = figures.as_text(*(bar.value for bar in chart.bars), sign="+")
    return [f"{value} ± {error}" for value, error in zip(values, errors, strict=True)]
