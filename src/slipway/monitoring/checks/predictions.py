"""The check `predictions`: whether predictions are distributed as in the reference, by the statistics of `skew`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.gates.monitoring_evidence import FindingsEvidence, worst_first
from slipway.monitoring.checks.contributions import with_contributions
from slipway.monitoring.checks.drift import with_message
from slipway.monitoring.checks.skew import described

if TYPE_CHECKING:
    from slipway.batch.interval import Excess
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the statistics of the predictions, and their shift since the previous windows, worst first.

    Where the worst is over its limit, it names the columns that moved the predictions.
    """
    if few := context.few(context.own):
        return FindingsEvidence(missing=f"{context.reference.baseline.release} answered {few}")
    alone = [excess for excess in context.own_excesses if _is_prediction(excess)]
    if not alone:
        return FindingsEvidence(missing=context.untaught)
    shifts = context.expectation.drift(context.own_sample, context.previous)
    findings = worst_first(
        [
            *described(context, context.own_sample, alone),
            *(with_message(excess) for excess in shifts if _is_prediction(excess)),
        ]
    )
    if findings and findings[0].score > 1:
        findings[0] = with_contributions(context, findings[0])
    return FindingsEvidence(rows=len(context.own), findings=findings)


def _is_prediction(excess: Excess) -> bool:
    return excess.key.column not in problem.Row.model_fields
