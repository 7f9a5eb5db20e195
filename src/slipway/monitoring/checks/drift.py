"""The check `drift`: whether columns have shifted since the previous windows more than in training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.gates.monitoring_evidence import FindingsEvidence
from slipway.monitoring.checks.skew import with_message
from slipway.monitoring.expectation import MOVED

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the shift of each column of `Row` with its expected range, worst first."""
    if few := context.few(context.window.rows):
        return FindingsEvidence(missing=few)
    moved = {
        key: value
        for key, value in context.statistics.items()
        if key[0] == MOVED and key[1] in problem.Row.model_fields
    }
    against = "previous live rows" if context.has_previous else "newest rows of the training data"
    findings = [with_message(statistic) for statistic in context.excesses(moved)]
    return FindingsEvidence.model_validate({"rows": len(context.window.rows), "against": against, "findings": findings})
