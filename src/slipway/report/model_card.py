"""The model card of the report: purpose, data, quality, limits and inputs of the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway.evaluation import metrics
from slipway.evaluation.segments import ALL
from slipway.gates.comparison import CALIBRATION, primary
from slipway.report.comparison import with_ends
from slipway.report.document import Code, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.evaluation.compared import Comparison
    from slipway.report.document import Block, Inline
    from slipway.report.evidence import ReportEvidence

SET_LABELS = {"train": "Training data", "test": "Test data", "unlabelled": "Rows without a label"}
BAR_CHARACTERS_MAX = 20
IMPORTANCE_MIN = 1e-12  # avoids a division by zero where no column matters


def card(evidence: ReportEvidence) -> Iterator[Block]:
    """Describe the model and its data: purpose, training data, quality, limits and inputs."""
    yield from (paragraph(text) for text in evidence.card.purpose.split("\n\n"))
    yield Table(("", ""), [*_card_data(evidence), *_card_quality(evidence)])
    yield paragraph(
        Strong("Validity"),
        ": the quality above was measured on the test data; another period or population can give different results."
        " The service rejects a request with an input outside of its range or closed list.",
    )
    yield _card_inputs(evidence)


def _card_data(evidence: ReportEvidence) -> Iterator[tuple[Inline, ...]]:
    card, prepared = evidence.card, evidence.trained.metrics.prepare
    yield "Target", Code(card.target)
    yield "Task", evidence.task
    yield "Inputs", f"{len(card.columns)}, listed below"
    for name, count in prepared.rows.items():
        period = " to ".join(end[:16] for end in prepared.period.get(name, []))
        yield SET_LABELS.get(name, f"Rows, {name}"), f"{count:,} rows{f', {period} UTC' if period else ''}"


def _card_quality(evidence: ReportEvidence) -> Iterator[tuple[Inline, ...]]:
    """Yield metrics on the test rows, those of the weakest segment, and the calibration."""
    for row in evidence.comparisons:
        yield f"Quality, {row.metric}", with_ends(row.candidate)
    if weakest := _weakest_segment(evidence):
        name, row = weakest
        yield "Quality, weakest segment", f"{name}: {evidence.primary} {with_ends(row.candidate)}, {row.rows:,} rows"
    if evidence.comparisons and evidence.results.compare:
        judged = evidence.results.compare.verdicts
        yield from (("Calibration", verdict.observed) for verdict in judged if verdict.gate == CALIBRATION)


def _weakest_segment(evidence: ReportEvidence) -> tuple[str, Comparison] | None:
    """Return the segment whose interval is worst at its favorable end, so that noise in a small one does not decide."""
    if not evidence.comparisons:
        return None
    higher_is_better = metrics.for_task(evidence.task)[evidence.primary].higher_is_better
    segments = evidence.production or (evidence.compared.segments if evidence.compared else {})
    rows = {name: primary(rows, evidence.primary) for name, rows in segments.items() if name != ALL}
    ends = {name: row.candidate.high if higher_is_better else row.candidate.low for name, row in rows.items()}
    defined = [name for name, end in ends.items() if math.isfinite(end)]
    if not defined:
        return None
    name = (min if higher_is_better else max)(defined, key=ends.__getitem__)
    return name, rows[name]


def _card_inputs(evidence: ReportEvidence) -> Table:
    measured = evidence.trained.metrics.importance
    importance = {name: score for name, score in measured.items() if math.isfinite(score)}
    largest = max([*importance.values(), IMPORTANCE_MIN])
    columns = sorted(evidence.card.columns, key=lambda column: -importance.get(column.name, 0.0))
    rows: list[tuple[Inline, ...]] = [
        (Code(column.name), column.description, column.unit, _bar(importance.get(column.name, 0.0) / largest))
        for column in columns
    ]
    return Table(("Input", "Meaning", "Unit", f"Permutation importance ({evidence.primary})"), rows)


def _bar(fraction: float) -> str:
    return "█" * round(max(fraction, 0.0) * BAR_CHARACTERS_MAX) or "·"
