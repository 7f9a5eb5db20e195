"""Renderer of a document as GitHub Markdown. Charts are Mermaid, since private repositories do not show images."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from slipway.report import bars, forest
from slipway.report.document import (
    BarChart,
    Chart,
    Code,
    Commands,
    Details,
    Forest,
    Heading,
    Link,
    Paragraph,
    Strong,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.report.document import Block, Document, Inline

LENGTH_MAX = 65_000  # characters; GitHub rejects a comment of more than 65,536
PALETTE = {"blue": "#2563eb", "orange": "#ea580c", "gray": "#6b7280"}
TRUNCATED = "_Details were dropped to stay within GitHub's size limit; the job's artifact has the full report._\n"
BAND_COLOR = "gray"
ZERO_WIDTH_SPACE = "\u200b"  # breaks up what GitHub would turn into a link or a mention
INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Invisible characters that change how others are displayed: control codes, direction of writing."""


def render(document: Document, length_max: int = LENGTH_MAX) -> str:
    """Return Markdown of at most `length_max` characters. To fit, drops collapsed details, from the last one on."""
    blocks = list(document)
    text = _join(blocks)
    while len(text) > length_max:
        folded = [position for position, block in enumerate(blocks) if isinstance(block, Details)]
        if not folded:
            return text[: length_max - len(TRUNCATED) - 2] + "\n\n" + TRUNCATED
        del blocks[folded[-1]]
        text = _join(blocks) + "\n" + TRUNCATED
    return text


def _join(blocks: Sequence[Block]) -> str:
    return "\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}\n"
        case Paragraph(parts):
            return "".join(_inline(part) for part in parts) + "\n"
        case Table():
            return _table(block)
        case Chart():
            return _mermaid(block)
        case Forest() | BarChart():
            return _fenced("text", forest.as_text(block) if isinstance(block, Forest) else bars.as_text(block))
        case Commands(lines):
            return _fenced("sh", lines)
        case Details(summary, blocks):
            return f"<details><summary>{_escaped(summary)}</summary>\n\n{_join(blocks)}\n</details>\n"


def _inline(part: Inline) -> str:
    match part:
        case Code(text):
            return _code(text)
        case Strong(text):
            return f"**{_escaped(text)}**"
        case Link(text, address):
            return f"[{_escaped(text)}]({address})"
        case _:
            return _escaped(part)


def _code(text: str) -> str:
    """Return a code span, in which nothing is a link, a mention or HTML. Its fence is longer than backticks inside."""
    text = " ".join(INVISIBLE.sub("", text).split()) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    """Escape what Markdown would interpret, and nothing else, so that the source is readable in a terminal."""
    text = re.sub(r"\s+", " ", INVISIBLE.sub("", text))
    text = re.sub(r"([\\`*<>|~&]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|\[(?=\^))", r"\\\1", text)
    text = re.sub(r"^(#|[-+]|\d+[.)])(?= )", r"\\\1", text)
    text = re.sub(r"([@#]|\bGH-)(?=\w)", rf"\1{ZERO_WIDTH_SPACE}", text, flags=re.IGNORECASE)  # GH-1 is #1
    return re.sub(r"(://|www(?=\.))", lambda match: match[0][0] + ZERO_WIDTH_SPACE + match[0][1:], text)


def _fenced(language: str, lines: Sequence[str]) -> str:
    """Return a code block, in which nothing is a link, a mention or HTML."""
    text = "\n".join(" ".join(INVISIBLE.sub("", line).splitlines()).replace("```", "") for line in lines)
    return f"```{language}\n{text}\n```\n"


def _table(table: Table) -> str:
    rule = ["---:" if column in table.numbers else "---" for column in range(len(table.header))]
    cells = [[_escaped(name) for name in table.header], rule, *([_cell(part) for part in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _cell(part: Inline) -> str:
    text = _inline(part)
    return text.replace("|", "\\|") if isinstance(part, Code) else text


def _mermaid(chart: Chart) -> str:
    """Return an `xychart-beta`. It has no legend, so the title names the color of each line."""
    drawn = [(series.name, [y for _, y in series.points]) for series in chart.series]
    colors = [*PALETTE][: len(drawn)]
    named = [f"{color} {name}" for color, (name, _) in zip(PALETTE, drawn, strict=False)]
    if chart.band:
        drawn += [(chart.band_name, [*ends]) for ends in zip(*chart.band, strict=True)]
        colors += [BAND_COLOR] * 2
        named.append(f"{BAND_COLOR} {chart.band_name}")
    palette = ", ".join(PALETTE[color] for color in colors)
    values = [y for _, line in drawn for y in line]
    pad = (max(values) - min(values)) * 0.05 or 0.01
    start = min(values) - pad
    if min(values) >= 0:
        start = max(start, 0)  # a rate or a loss is never below
    lines = [
        f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%',
        "xychart-beta",
        f'    title "{_quoted(chart.title)} ({_quoted(", ".join(named))})"',
        f'    x-axis "{_quoted(chart.x)}" [{", ".join(f"{x:g}" for x, _ in chart.series[0].points)}]',
        f'    y-axis "{_quoted(chart.y)}" {_digits(start, pad)} --> {_digits(max(values) + pad, pad)}',
        *(f"    line [{', '.join(_digits(y, pad) for y in line)}]" for _, line in drawn),
    ]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _digits(value: float, pad: float) -> str:
    """Return `value` with the digits that a pixel of the chart shows, a hundredth of `pad`, and at least four."""
    return f"{value:.{max(4, math.ceil(math.log10(max(abs(value), pad) / pad)) + 2)}g}"


def _quoted(text: str) -> str:
    return re.sub(r"[\"`\n\r;%{}]", " ", text)
