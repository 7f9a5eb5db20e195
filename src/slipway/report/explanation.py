"""Blocks of the report that explain the prediction for one test row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway import figures
from slipway.report.document import Bar, BarChart, Details, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.evaluation.compared import ExplainedRow
    from slipway.report.document import Block
    from slipway.report.evidence import ReportEvidence

BARS_MAX = 20


def section(evidence: ReportEvidence) -> Iterator[Block]:
    """Yield the contributions of the columns to one prediction, collapsed; nothing where none was explained."""
    explained = evidence.compared.explained if evidence.compared else None
    if explained is None or not explained.contributions or not _is_finite(explained):
        return
    yield Details("Explanation of one prediction", (_introduction(explained), _chart(explained)))


def _introduction(explained: ExplainedRow) -> Block:
    champion = [explained.champion] if explained.champion is not None else []
    prediction, base, *production = figures.as_text(explained.prediction, explained.base, *champion)
    subject = "the prediction" if explained.category is None else f"the probability of {explained.category}"
    change = f" {subject} changes most: {prediction}, in production {production[0]}." if production else ""
    extreme = f" {subject} differs most from its mean: {prediction}."
    return paragraph(
        f"For test row {explained.row:,}, counted from 0,{change or extreme} Each column adds its contribution to"
        f" {base}, the mean for training rows. The values of the row are not shown, since a comment may be public."
    )


def _chart(explained: ExplainedRow) -> BarChart:
    bars = [Bar(part.column, part.value, part.standard_error) for part in explained.contributions]
    listed, rest = bars[:BARS_MAX], bars[BARS_MAX:]
    if rest:  # errors of a sum are at most the sum of the errors
        sums = sum(bar.value for bar in rest), sum(bar.error for bar in rest)
        listed.append(Bar(f"{figures.count(len(rest), 'other column')}", *sums))
    return BarChart(f"Contributions to the prediction for test row {explained.row:,} ± standard error", listed)


def _is_finite(explained: ExplainedRow) -> bool:
    parts = (number for part in explained.contributions for number in (part.value, part.standard_error))
    return all(map(math.isfinite, (explained.prediction, explained.base, explained.champion or 0.0, *parts)))
