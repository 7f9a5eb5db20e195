"""A document as GitHub Markdown: charts as Mermaid, because images do not survive in private repositories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway.report.document import Chart, Code, Commands, Details, Heading, Link, Paragraph, Strong, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.report.document import Block, Document, Inline

LIMIT = 65_000  # characters; GitHub refuses a comment of more than 65,536
PALETTE = {"blue": "#2563eb", "orange": "#ea580c", "grey": "#6b7280"}
LEFT_OUT = "_Details were left out to stay under GitHub's size limit; the job's artifact holds all of them._\n"
INVISIBLE = "\u200b"  # a space of no width: breaks up what GitHub would turn into a link or a mention
UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that are not seen and yet change how the others are: control codes, directions of writing."""


def render(document: Document, limit: int = LIMIT) -> str:
    """Markdown of at most `limit` characters: folded details go first, the last of them before the first."""
    blocks = list(document)
    text = _join(blocks)
    while len(text) > limit:
        folded = [position for position, block in enumerate(blocks) if isinstance(block, Details)]
        if not folded:
            return text[: limit - len(LEFT_OUT) - 2] + "\n\n" + LEFT_OUT
        del blocks[folded[-1]]
        text = _join(blocks) + "\n" + LEFT_OUT
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
        case Commands(lines):
            return "```sh\n" + "\n".join(line.replace("```", "") for line in lines) + "\n```\n"
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
    """A code span: nothing in it is a link, a mention or HTML. Its fence is longer than any run of backticks inside."""
    text = " ".join(UNSEEN.sub("", text).split()) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    """Plain text. Escaped is only what Markdown would act on, so that the source too can be read, in a terminal say."""
    text = re.sub(r"\s+", " ", UNSEEN.sub("", text))
    text = re.sub(r"([\\`*<>|~&]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|\[(?=\^))", r"\\\1", text)
    text = re.sub(r"^(#|[-+]|\d+[.)])(?= )", r"\\\1", text)
    text = re.sub(r"([@#]|\bGH-)(?=\w)", rf"\1{INVISIBLE}", text, flags=re.IGNORECASE)  # GH-1 is #1
    return re.sub(r"(://|www(?=\.))", lambda found: found[0][0] + INVISIBLE + found[0][1:], text)


def _table(table: Table) -> str:
    rule = ["---:" if column in table.numbers else "---" for column in range(len(table.header))]
    cells = [[_escaped(name) for name in table.header], rule, *([_cell(part) for part in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _cell(part: Inline) -> str:
    text = _inline(part)
    return text.replace("|", "\\|") if isinstance(part, Code) else text


def _mermaid(chart: Chart) -> str:
    """An `xychart-beta`, which has no legend: the title names the colour of each line."""
    named = ", ".join(f"{colour} {series.name}" for colour, series in zip(PALETTE, chart.series, strict=False))
    palette = ", ".join(list(PALETTE.values())[: len(chart.series)])
    values = [y for series in chart.series for _, y in series.points]
    pad = (max(values) - min(values)) * 0.05 or 0.01
    lines = [
        f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%',
        "xychart-beta",
        f'    title "{_quoted(chart.title)} ({_quoted(named)})"',
        f'    x-axis "{_quoted(chart.x)}" [{", ".join(f"{x:g}" for x, _ in chart.series[0].points)}]',
        f'    y-axis "{_quoted(chart.y)}" {min(values) - pad:.4g} --> {max(values) + pad:.4g}',
        *(f"    line [{', '.join(f'{y:.4g}' for _, y in series.points)}]" for series in chart.series),
    ]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _quoted(text: str) -> str:
    return re.sub(r"[\"`\n\r;%{}]", " ", text)
