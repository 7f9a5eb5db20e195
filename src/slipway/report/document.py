"""Building blocks of a report. Their text is plain; renderers escape it, so no name can inject Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width font: names, values and other untrusted input."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Emphasized text."""

    text: str


@dataclass(frozen=True)
class Link:
    """A link. The address is built by Slipway and never comes from untrusted input."""

    text: str
    address: str


Inline = str | Code | Strong | Link


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the verdict."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    parts: tuple[Inline, ...]


@dataclass(frozen=True)
class Table:
    """A table. The columns in `numbers`, by position, are aligned right."""

    header: tuple[str, ...]
    rows: Sequence[tuple[Inline, ...]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Series:
    """A line of a chart, as (x, y) points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A line chart. Every series has the same x values."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    band: Sequence[tuple[float, float]] = ()
    """Lower and upper end of an interval at each x; empty for none."""
    band_name: str = "interval"


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; all three numbers are finite."""

    label: str
    value: float
    low: float
    high: float
    remark: str = ""


@dataclass(frozen=True)
class Forest:
    """A forest plot: estimates one below the other on a common axis, with finite `marks` on it by name."""

    title: str
    estimates: Sequence[Estimate]
    marks: Mapping[str, float]


@dataclass(frozen=True)
class Bar:
    """A signed value with its standard error; both are finite."""

    label: str
    value: float
    error: float


@dataclass(frozen=True)
class BarChart:
    """Bars one below the other on a common axis that has zero."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Commands:
    """Shell commands, one per line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Details:
    """Blocks that are collapsed under a summary."""

    summary: str
    blocks: Sequence[Block] = field(default_factory=tuple)


Block = Heading | Paragraph | Table | Chart | Forest | BarChart | Commands | Details
Document = Sequence[Block]


def paragraph(*parts: Inline) -> Paragraph:
    """Return a paragraph of `parts`."""
    return Paragraph(parts)
