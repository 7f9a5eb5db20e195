"""How old are the model, and the data that it has seen?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.monitoring.look import Look

DAY = 86_400  # seconds


def evidence(look: Look) -> dict[str, Any]:
    """Days from the newest row of the training data, and from the build, to the end of the window."""
    end, data = look.window.end, look.reference.data_end
    return {
        "data_days": None if data is None else (end - data).total_seconds() / DAY,
        "model_days": (end - look.reference.promise.built).total_seconds() / DAY,
    }
