"""The check `staleness`: the age of the model and of its training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates.monitoring_evidence import StalenessEvidence

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext

DAY_SECONDS = 86_400


def evidence(context: CheckContext) -> StalenessEvidence:
    """Return the days from the newest training row, and from the build, to the end of the window."""
    end, data = context.window.end, context.reference.data_end
    return StalenessEvidence(
        data_days=None if data is None else (end - data).total_seconds() / DAY_SECONDS,
        model_days=(end - context.reference.baseline.built).total_seconds() / DAY_SECONDS,
    )
