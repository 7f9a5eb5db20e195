"""The check `model`: whether the release's own model answers. Logged rows are scored again and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation.parity import differences
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence
from slipway.monitoring.log_columns import PREDICTION
from slipway.monitoring.reference import predict
from slipway.monitoring.window import scores

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext

ROWS_MAX = 2000  # misses a model that answers one request in a hundred once in 500 million windows


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the fraction of rows with a prediction that the release's model does not reproduce."""
    if context.hidden:
        return FindingsEvidence(missing=f"the log redacts {', '.join(context.hidden)}, so no row can be scored again")
    if context.own.empty:
        return FindingsEvidence(missing=f"{context.reference.baseline.release} answered no rows")
    rows = context.own.sample(min(len(context.own), ROWS_MAX), random_state=context.settings.seed)
    model = context.reference.model
    different = differences(predict(model, rows), scores(rows[PREDICTION], model.signature))
    largest = different.reshape(len(rows), -1).max(axis=1)
    other = float((~(largest <= context.limits.model_tolerance)).mean())
    message = f"{other:.1%} of {len(rows):,} rows have different predictions, by up to {np.nanmax(largest):.2g}"
    score = other / context.limits.model_ratio
    finding = Finding(column="prediction", what="another model", score=score, message=message)
    return FindingsEvidence(rows=len(rows), findings=[finding])
