"""Drawing of a chart as inline SVG: the scales, the grid and the lines of every chart on a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


UNIT_PREFIXES = {1e9: "G", 1e6: "M", 1e3: "k", 1: ""}
PREFIXED = (1e-3, 1e12)  # values outside have an exponent
ROUND_FACTORS = (1, 2, 2.5, 5, 10, 20)  # of a power of ten, for the steps of an axis
CHARACTER_PIXELS = 8  # at most, of a label


def axis_label(value: float) -> str:
    """Return a value with three significant digits and a unit prefix, or an exponent: 3.77k for 3,768."""
    value = float(f"{value:.3g}")
    if value and not PREFIXED[0] <= abs(value) < PREFIXED[1]:
        return f"{value:.3g}"
    size = next((size for size in UNIT_PREFIXES if abs(value) >= size), 1)
    return f"{value / size:.3g}{UNIT_PREFIXES[size]}"


def label_pixels(low: float, high: float, intervals: int) -> int:
    """Return the width of the widest label of an axis with `intervals` between `low` and `high`."""
    labels = (axis_label(low + (high - low) * step / intervals) for step in range(intervals + 1))
    return CHARACTER_PIXELS * max(map(len, labels))


def round_ends(low: float, high: float, intervals: int) -> tuple[float, float]:
    """Return the ends of an axis around `low` and `high` whose `intervals` steps are round numbers."""
    if not high > low:
        return low, high
    size = 10.0 ** math.floor(math.log10((high - low) / intervals))
    for factor in ROUND_FACTORS:
        step = factor * size
        start = math.floor(low / step) * step
        if start + intervals * step >= high:
            return start, start + intervals * step
    return low, high


@dataclass(frozen=True)
class Plot:
    """The area of a chart: its size and margins in pixels, and the values at the ends of its axes."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, value: float, inset: float = 0.0) -> float:
        """Return the pixel of a value on the x axis, at least half of `inset` from both ends."""
        first, last = self.xs
        fraction = (value - first) / (last - first) if last != first else 0.5
        return self.left + inset / 2 + min(max(fraction, 0.0), 1.0) * (self.width - self.left - self.right - inset)

    def y(self, value: float) -> float:
        """Return the pixel of a value on the y axis."""
        low, high = self.ys
        return self.height - self.bottom - (value - low) / ((high - low) or 1) * (self.height - self.top - self.bottom)

    def grid(self, intervals: int, style: str, gap: int) -> Iterator[str]:
        """Yield evenly spaced horizontal lines with the attributes `style`, each with its value, `gap` pixels away."""
        low, high = self.ys
        for step in range(intervals + 1):
            value = low + (high - low) * step / intervals
            y = self.y(value)
            yield f'<line x1="{self.left}" x2="{self.width - self.right}" y1="{y:.1f}" y2="{y:.1f}" {style}/>'
            yield f'<text x="{self.left - gap}" y="{y + 4:.1f}" text-anchor="end">{axis_label(value)}</text>'

    def polyline(self, points: Iterable[tuple[float, float]], style: str) -> str:
        """Return a line through pairs of values, with the attributes `style`."""
        return f'<polyline points="{self.pixels(points)}" {style}/>'

    def pixels(self, points: Iterable[tuple[float, float]]) -> str:
        """Return pairs of values as pairs of pixels, in the notation of SVG."""
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)

    def render(self, label: str, content: str) -> str:
        """Return the SVG element with `content`, described by `label` for a screen reader."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}">\n{content}\n</svg>'
        )
