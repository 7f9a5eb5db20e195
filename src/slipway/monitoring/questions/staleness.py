"""How old are the model, and the data that it has seen?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow

DAY = 86_400  # seconds


def evidence(window: LiveWindow, reference: Reference, params: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001  as the others
    """Days from the newest row of the training data, and from the build, to the end of the window."""
    end, data = window.end, reference.data_end
    return {
        "data_days": None if data is None else (end - data).total_seconds() / DAY,
        "model_days": (end - reference.promise.built).total_seconds() / DAY,
    }
