"""The check `predictions`: whether predictions are distributed as in the reference, by the statistics of `skew`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.gates.monitoring_evidence import FindingsEvidence
from slipway.monitoring.checks.skew import with_message

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the statistics of the predictions with their expected ranges, worst first."""
    if few := context.few(context.own):
        return FindingsEvidence(missing=f"{context.reference.baseline.release} answered {few}")
    of_predictions = {
        key: value for key, value in context.own_statistics.items() if key[1] not in problem.Row.model_fields
    }
    findings = [with_message(statistic) for statistic in context.excesses(of_predictions)]
    return FindingsEvidence(rows=len(context.own), findings=findings)
