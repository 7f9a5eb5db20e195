"""The check `drift`: whether columns have shifted since the previous windows more than in training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.batch.statistic_values import from_arcsine
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence

if TYPE_CHECKING:
    from slipway.batch.interval import Excess
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the shift of each column of `Row` with its limit, worst first."""
    if few := context.few(context.window.rows):
        return FindingsEvidence(missing=few)
    excesses = context.expectation.drift(context.sample, context.previous)
    if not excesses:
        return FindingsEvidence(missing=context.untaught)
    against = "previous live rows" if context.has_previous else "newest rows of the training data"
    findings = [with_message(excess) for excess in excesses if excess.key.column in problem.Row.model_fields]
    return FindingsEvidence.model_validate({"rows": len(context.window.rows), "against": against, "findings": findings})


def with_message(excess: Excess) -> Finding:
    """Return the finding for a shift, with a sentence that gives its distance and the limit."""
    column = excess.key.column
    value, mean, limit = (f"{from_arcsine(number):.2f}" for number in (excess.value, excess.mean, excess.limit))
    message = f"{column}: distance {value} to the previous windows; in training {mean}, limit {limit}"
    return Finding(column=column, what=excess.key.statistic, score=excess.score, message=message)
