"""The check `predictions`: whether predictions are distributed as in the reference, by the statistics of `skew`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.monitoring.checks.skew import with_message

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> dict[str, Any]:
    """Return the statistics of the predictions with their expected ranges, worst first."""
    if few := context.few(context.own):
        return {"missing": f"{context.reference.baseline.release} answered {few}"}
    of_predictions = {
        key: value for key, value in context.own_statistics.items() if key[1] not in problem.Row.model_fields
    }
    return {
        "rows": len(context.own),
        "findings": [with_message(finding) for finding in context.excesses(of_predictions)],
    }
