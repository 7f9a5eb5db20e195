"""Blocks of the report that compare the candidate with production and staging: metrics, segments, forest plot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway import figures
from slipway.evaluation import metrics
from slipway.evaluation.segments import ALL
from slipway.gates.comparison import decisive, difference, primary
from slipway.report.document import Code, Details, Estimate, Forest, Heading, Strong, Table, paragraph
from slipway.report.footprint import footprints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.evaluation.compared import Comparison, Interval
    from slipway.gates.comparison_evidence import Released
    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence

DIFFERENCE_LABELS = {
    "better": "▲ better",
    "worse": "▼ worse",
    "within noise": "≈ within noise",
    "undefined": "? undefined",
}
TOO_FEW_ROWS = "too few rows"
LISTED_SEGMENTS_MAX = 5
PLOTTED_MAX = 40  # intervals of a plot


def table(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the metrics of the candidate on all rows, next to those of production and staging."""
    if evidence.compared is None or not evidence.comparisons:
        return
    yield Heading("Metrics")
    compared = evidence.compared
    named = {
        "Production": evidence.production.get(ALL, []),
        "Staging": compared.staging.all if compared.staging else [],
    }
    sides = {name: side for name, side in named.items() if side}
    rows = [_metric_row(row, evidence, [*sides.values()]) for row in evidence.comparisons]
    rows += [*_cost_row(evidence, len(sides)), *_footprint_rows(evidence, len(sides))]
    header = ("Metric", "Candidate", *(cell for name in sides for cell in (name, "Gain", "")))
    yield Table(header, rows, frozenset({1, 2, 3, 5, 6} & {*range(len(header))}))
    yield paragraph(
        f"{figures.count(compared.rows, 'test row')}, the same for all models. Brackets hold the bootstrap percentile"
        " interval at the confidence of params.yaml.",
        " A positive gain means that the candidate is better." if sides else _not_compared(compared.champion),
    )


def _not_compared(champion: Released | None) -> str:
    return " No release is in production yet." if champion is None else f" Not compared with {champion.version}."


def _cost_row(evidence: ReportEvidence, sides: int) -> list[tuple[Inline, ...]]:
    """Return the row of the cost of errors, which is compared with production only; none where no cost is stated."""
    confusion = evidence.compared.confusion if evidence.compared else None
    if confusion is None or confusion.cost is None:
        return []
    cost, unit = confusion.cost, f" ({confusion.cost_unit})" if confusion.cost_unit else ""
    name = f"cost of errors per row ↓{unit}"
    compared = (with_ends(cost.champion), *_gain_cells(cost.gain)) if evidence.production else ()
    return [(name, with_ends(cost.candidate), *compared, *[""] * (3 * sides - len(compared)))]


def _footprint_rows(evidence: ReportEvidence, sides: int) -> list[tuple[Inline, ...]]:
    """Return the rows of size and latency, which are compared with production only."""
    rows: list[tuple[Inline, ...]] = []
    for footprint in footprints(evidence):
        label = DIFFERENCE_LABELS.get(footprint.difference, "")
        compared = (footprint.production, footprint.ratio, label) if evidence.production else ()
        empty = [""] * (3 * sides - len(compared))
        rows.append((f"{footprint.name} ↓", footprint.candidate, *compared, *empty))
    return rows


def _metric_row(row: Comparison, evidence: ReportEvidence, sides: Sequence[Sequence[Comparison]]) -> tuple[Inline, ...]:
    metric = metrics.for_task(evidence.task)[row.metric]
    name = f"{metric.name} {'↑' if metric.higher_is_better else '↓'}{f' ({metric.unit})' if metric.unit else ''}"
    cells: list[Inline] = [Strong(name) if metric.name == evidence.primary else name, with_ends(row.candidate)]
    for side in sides:
        other = primary(side, metric.name)
        cells += [with_ends(other.champion), *_gain_cells(other.gain)]
    return tuple(cells)


def _gain_cells(gain: Interval) -> tuple[str, str]:
    return signed(gain), DIFFERENCE_LABELS[difference(gain)]


def worse(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield what is worse than in production beyond noise: metrics and cost on all rows, size, latency and segments.

    Nothing where a report has no comparison with production.
    """
    compared, overall = evidence.compared, evidence.production.get(ALL)
    if compared is None or compared.champion is None or overall is None:
        return
    gains = {row.metric: row.gain for row in overall}
    if compared.confusion and compared.confusion.cost:
        gains["cost of errors"] = compared.confusion.cost.gain
    models, segments = footprints(evidence), _segment_rows(evidence)
    judged = _judged(segments, evidence)
    losses = [f"{name} {_loss(gain)}" for name, gain in gains.items() if difference(gain) == "worse"]
    losses += [
        f"{model.name} {model.candidate}, {model.ratio} {model.production}"
        for model in models
        if model.difference == "worse"
    ]
    losing = {name: row.gain for name, row in judged.items() if difference(row.gain) == "worse"}
    if losing:
        largest = min(losing, key=lambda name: losing[name].value)
        judged_segments = figures.count(len(judged), "judged segment")
        losses.append(f"{len(losing)} of {judged_segments}, most in {largest} {_loss(losing[largest])}")
    total = f" of {len(segments):,}" if len(judged) < len(segments) else ""
    names = [f"{figures.count(len(gains), 'figure')} on all rows", *(model.name for model in models)]
    scope = f"{', '.join(names)} and {len(judged):,}{total} segment{'' if len(segments) == 1 else 's'}"
    text = "; ".join(losses) or f"nothing beyond noise in {scope}"
    yield paragraph(Strong(f"Worse than {compared.champion.version}"), f": {text}.")


def _loss(gain: Interval) -> str:
    """Return the gain without its interval, which the tables below have."""
    return figures.as_text(*gain.ends, sign="+")[0]


def _judged(rows: Mapping[str, Comparison], evidence: ReportEvidence) -> dict[str, Comparison]:
    """Return the segments with a defined gain and as many rows as `params.yaml` requires to judge one."""
    rows_min = _rows_min(evidence)
    return {name: row for name, row in rows.items() if row.rows >= rows_min and row.gain.is_defined}


def _rows_min(evidence: ReportEvidence) -> int:
    return evidence.margins.segment_rows if evidence.margins else 0


def _segment_rows(evidence: ReportEvidence) -> dict[str, Comparison]:
    """Return the deciding comparison of each segment with the release in production."""
    return {name: decisive(rows, evidence.primary) for name, rows in evidence.production.items() if name != ALL}


def segments(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the gain over production on all rows and in the segments that moved, as intervals and as a table."""
    rows = _segment_rows(evidence)
    judged = _judged(rows, evidence)
    changed = {name: row for name, row in judged.items() if difference(row.gain) in ("better", "worse")}
    largest = sorted(changed, key=lambda name: -abs(changed[name].gain.value))[:LISTED_SEGMENTS_MAX]
    yield from _forest(evidence, {name: changed[name] for name in largest})
    if not rows:
        return
    yield Heading("Segments that moved")
    if not changed:
        yield paragraph(
            f"None of {len(judged)} judged: every difference is within noise, at a confidence corrected for the number"
            " of segments."
        )
        return
    yield _segment_table({name: changed[name] for name in largest}, evidence)
    if len(changed) > LISTED_SEGMENTS_MAX:
        yield paragraph(f"{len(changed) - LISTED_SEGMENTS_MAX} more are listed under “All segments”.")


def all_segments(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield every segment with its interval, collapsed."""
    if rows := _segment_rows(evidence):
        yield Details(f"All segments ({len(rows)})", (*_forest(evidence, rows), _segment_table(rows, evidence)))


def _forest(evidence: ReportEvidence, rows: Mapping[str, Comparison]) -> Iterator[Forest]:
    """Yield a plot of the gains in the primary metric, on all rows and in `rows`, with the margins of the gates."""
    overall = evidence.production.get(ALL)
    if overall is None:
        return
    groups = {"all rows": primary(overall, evidence.primary), **rows}
    estimates = [
        Estimate(name, *row.gain.ends, _segment_label(row, evidence) if name in rows else _gain_cells(row.gain)[1])
        for name, row in groups.items()
        if row.metric == evidence.primary and row.gain.is_defined
    ]
    if not estimates:
        return
    marks = {"no change": 0.0}
    if evidence.margins:
        marks |= {"margin": -evidence.margins.all}
        marks |= {"margin of a segment": -evidence.margins.segment} if rows else {}
    champion = evidence.compared.champion if evidence.compared else None
    against = f" over production {champion.version}" if champion else ""
    finite = {name: value for name, value in marks.items() if math.isfinite(value)}
    yield Forest(f"Gain in {evidence.primary}{against}", estimates[:PLOTTED_MAX], finite)


def _segment_table(rows: Mapping[str, Comparison], evidence: ReportEvidence) -> Table:
    metric = evidence.primary
    cells: list[tuple[Inline, ...]] = [
        (
            Code(name),
            f"{row.rows:,}",
            f"{'' if row.metric == metric else row.metric + ' '}{with_ends(row.candidate)}",
            signed(row.gain),
            _segment_label(row, evidence),
        )
        for name, row in rows.items()
    ]
    return Table(("Segment", "Rows", metric, "Gain", ""), cells, frozenset({1, 2, 3}))


def _segment_label(row: Comparison, evidence: ReportEvidence) -> str:
    return TOO_FEW_ROWS if row.rows < _rows_min(evidence) else DIFFERENCE_LABELS[difference(row.gain)]


def with_ends(interval: Interval) -> str:
    """Return `value [low, high]`, or the value alone where the interval is undefined."""
    return _with_ends(interval, "")


def signed(gain: Interval) -> str:
    """Return a gain like `with_ends`, with signs; "no change" where it is exactly 0, as for equal predictions."""
    if set(gain.ends) == {0.0}:
        return "no change"
    return _with_ends(gain, "+")


def _with_ends(interval: Interval, sign: str) -> str:
    value, *ends = figures.as_text(*interval.ends, sign=sign)
    return value if "undefined" in (value, *ends) else f"{value} [{', '.join(ends)}]"
