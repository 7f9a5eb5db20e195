"""Renderer of a document as a self-contained HTML page. Charts are inline SVG; there is no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from slipway.page import page
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
from slipway.report.svg import Plot, label_pixels, round_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway.report.document import Block, Document, Inline

GENERATOR = '<meta name="generator" content="slipway">'
"""Marks a page as written by this module."""
GRID_INTERVALS = 4
AXIS_TITLE_PIXELS = 32  # of the turned title of the value axis, with a gap to its labels
BAND_COLOR = "#88888844"
COLORS = ("#2563eb", "#ea580c", "#6b7280")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #6b7280; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; min-width: 100%; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.number, .number + td { white-space: nowrap; } td:has(+ .number) { min-width: 7rem; }
code, pre { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; } td code { overflow-wrap: break-word; }
pre { white-space: pre-wrap; padding: .75rem; border: 1px solid var(--line); }
details { margin: 1rem 0; border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem; }
summary { cursor: pointer; font-weight: 600; }
figure { margin: 1.5rem 0; overflow-x: auto; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; min-width: 26rem; max-width: 40rem; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
@media (max-width: 40rem) {
  table { font-size: .8rem; } th, td { padding-right: .5rem; } th { white-space: normal; }
  .number, .number + td { white-space: normal; } td:has(+ .number) { min-width: 0; }
}
.legend span { margin-right: 1rem; }
.legend i { display: inline-block; width: 1rem; height: .2rem; margin-right: .35rem; vertical-align: middle; }
"""


def render(document: Document, title: str) -> str:
    """Return the page."""
    return page(title, STYLE, _blocks(document), f"{GENERATOR}\n")


def _blocks(blocks: Sequence[Block]) -> str:
    return "\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(parts):
            return f"<p>{''.join(_inline(part) for part in parts)}</p>"
        case Table():
            return _table(block)
        case Chart():
            return _figure(block)
        case Forest(title) | BarChart(title):
            drawn = forest.as_svg(block) if isinstance(block, Forest) else bars.as_svg(block)
            return f"<figure><figcaption>{escape(title)}</figcaption>\n{drawn}</figure>"
        case Commands(lines):
            return f"<pre>{escape(chr(10).join(lines))}</pre>"
        case Details(summary, blocks):
            return f"<details><summary>{escape(summary)}</summary>\n{_blocks(blocks)}\n</details>"


def _inline(part: Inline) -> str:
    match part:
        case Code(text):
            return f"<code>{escape(text)}</code>"
        case Strong(text):
            return f"<strong>{escape(text)}</strong>"
        case Link(text, address):
            return f'<a href="{escape(address)}">{escape(text)}</a>'
        case _:
            return escape(part)


def _table(table: Table) -> str:
    classes = [' class="number"' if column in table.numbers else "" for column in range(len(table.header))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(classes, table.header, strict=True))
    rows = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{_inline(cell)}</td>" for kind, cell in zip(classes, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def _figure(chart: Chart) -> str:
    xs = [x for series in chart.series for x, _ in series.points]
    ys = [y for series in chart.series for _, y in series.points] + [end for ends in chart.band for end in ends]
    ends = round_ends(min(ys), max(ys), GRID_INTERVALS)
    left = AXIS_TITLE_PIXELS + label_pixels(*ends, GRID_INTERVALS)
    plot = Plot(640, 300, left, 16, 16, 48, (min(xs), max(xs)), ends)
    lines = [*_band(plot, xs, chart.band)]
    lines += [
        plot.polyline(series.points, f'fill="none" stroke="{color}" stroke-width="2"')
        for series, color in zip(chart.series, COLORS, strict=False)
    ]
    named = [(series.name, color) for series, color in zip(chart.series, COLORS, strict=False)]
    named += [(chart.band_name, BAND_COLOR)] if chart.band else []
    legend = "".join(f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in named)
    return (
        f'<figure><figcaption>{escape(chart.title)}</figcaption><div class="legend">{legend}</div>\n'
        f"{plot.render(chart.title, chr(10).join([*_axes(plot, chart), *lines]))}</figure>"
    )


def _band(plot: Plot, xs: Sequence[float], band: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yield the area between the ends of the intervals."""
    if band:
        edge = [(x, high) for x, (_, high) in zip(xs, band, strict=False)]
        edge += [(x, low) for x, (low, _) in reversed([*zip(xs, band, strict=False)])]
        yield f'<polygon points="{plot.pixels(edge)}" fill="{BAND_COLOR}" stroke="none"/>'


def _axes(plot: Plot, chart: Chart) -> Iterator[str]:
    """Yield grid lines with their values, the ends of the x axis, and the labels of both axes."""
    yield from plot.grid(GRID_INTERVALS, 'stroke="#8884"', 8)
    for value, anchor in zip(plot.xs, ("start", "end"), strict=True):
        place = f'x="{plot.x(value):.1f}" y="{plot.height - plot.bottom + 18}"'
        yield f'<text {place} text-anchor="{anchor}">{value:g}</text>'
    middle = (plot.left + plot.width - plot.right) / 2
    yield f'<text x="{middle}" y="{plot.height - 8}" text-anchor="middle">{escape(chart.x)}</text>'
    turned = f"translate(14 {(plot.top + plot.height - plot.bottom) / 2}) rotate(-90)"
    yield f'<text transform="{turned}" text-anchor="middle">{escape(chart.y)}</text>'
