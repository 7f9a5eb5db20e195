"""Has what comes in moved since the time before, further than training data ever did in as long?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.monitoring.expectation import MOVED
from slipway.monitoring.questions.skew import said

if TYPE_CHECKING:
    from slipway.monitoring.look import Look


def evidence(look: Look) -> dict[str, Any]:
    """How far each column of `Row` has moved beside its range in the reference, the furthest beyond first."""
    if few := look.few(look.window.rows):
        return {"missing": few}
    moved = {
        key: value for key, value in look.statistics.items() if key[0] == MOVED and key[1] in problem.Row.model_fields
    }
    return {
        "rows": len(look.window.rows),
        "against": "live rows before" if look.has_before else "newest rows of the training data",
        "findings": [said(one) for one in look.beyond(moved)],
    }
