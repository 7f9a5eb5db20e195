"""What a report is made of. Text is plain: each renderer escapes it, so that no name can inject Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width font: names, values and whatever a stranger may have written."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Text that must be seen."""

    text: str


@dataclass(frozen=True)
class Link:
    """A link to an address that this program made; never one that a stranger wrote."""

    text: str
    address: str


Inline = str | Code | Strong | Link


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the verdict."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    parts: tuple[Inline, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; the columns in `numbers` are set flush right."""

    header: tuple[str, ...]
    rows: Sequence[tuple[Inline, ...]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Series:
    """A line of a chart."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis; every series has the same x values."""

    title: str
    x: str
    y: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Commands:
    """Commands to copy."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away under a summary."""

    summary: str
    blocks: Sequence[Block] = field(default_factory=tuple)


Block = Heading | Paragraph | Table | Chart | Commands | Details
Document = Sequence[Block]


def paragraph(*parts: Inline) -> Paragraph:
    """A paragraph of `parts`."""
    return Paragraph(parts)
