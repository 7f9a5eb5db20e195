"""The check `skew`: whether live columns are as in windows of the training rows, independent of the season.

It asks what the data checks ask of a new file, with the same statistics: each column alone, and given the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.batch.batch_findings import findings
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.batch.column_models import Measured
    from slipway.batch.interval import Excess
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the findings on the columns of `Row`, and the worst statistic of every other column."""
    if few := context.few(context.window.rows):
        return FindingsEvidence(missing=few)
    of_columns = [excess for excess in context.excesses if excess.key.column in problem.Row.model_fields]
    if not of_columns:
        return FindingsEvidence(missing=context.untaught)
    return FindingsEvidence(rows=len(context.window.rows), findings=described(context, context.sample, of_columns))


def described(context: CheckContext, sample: Measured, excesses: Sequence[Excess]) -> list[Finding]:
    """Return the findings on the columns of `excesses`, and the worst statistic of every other of these columns."""
    outside = [
        Finding.model_validate(
            {
                "column": finding.column,
                "what": finding.statistic,
                "score": finding.score,
                "message": finding.text,
                "check": finding.check,
                "segment": finding.segment,
                "cause": finding.cause,
            }
        )
        for finding in findings(context.expectation.batch, sample, excesses)
    ]
    inside: dict[str, Finding] = {}
    for excess in excesses:
        if excess.score <= 1:
            inside.setdefault(excess.key.column, _within(excess))
    named = {finding.column for finding in outside}
    rest = [finding for column, finding in inside.items() if column not in named]
    return [*outside, *rest]


def _within(excess: Excess) -> Finding:
    """Return the finding for a statistic inside its interval."""
    message = f"{excess.key.column}: {excess.key.statistic} at {max(excess.score, 0):.0%} of its limit"
    return Finding(column=excess.key.column, what=excess.key.statistic, score=excess.score, message=message)
