"""Are predictions spread as they were? The same statistics as of a column, of what the release answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.monitoring.questions.skew import said

if TYPE_CHECKING:
    from slipway.monitoring.look import Look


def evidence(look: Look) -> dict[str, Any]:
    """Statistics of the predictions beside their range in the reference, the furthest beyond first."""
    if few := look.few(look.own):
        return {"missing": f"{look.reference.promise.release} answered {few}"}
    of_predictions = {
        key: value for key, value in look.own_statistics.items() if key[1] not in problem.Row.model_fields
    }
    return {"rows": len(look.own), "findings": [said(one) for one in look.beyond(of_predictions)]}
