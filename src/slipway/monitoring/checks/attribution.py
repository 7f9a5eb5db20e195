"""The check `attribution`: whether the model still relies on the same columns.

Permutation importance on the labeled live rows is compared with that at training.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway import predictor
from slipway.evaluation import metrics
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence, worst_first
from slipway.monitoring import segments
from slipway.monitoring.checks import performance
from slipway.monitoring.log_columns import TIME
from slipway.schema.features import to_features

if TYPE_CHECKING:
    import pandas as pd

    from slipway.monitoring.context import CheckContext

CHUNK_COUNT = 8  # consecutive parts of the labeled rows, from which the standard error is estimated


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the importance of each column that mattered at training, then and now, with its standard error."""
    limits = context.limits
    rows = performance.labeled(context)
    if context.hidden:
        return FindingsEvidence(missing=f"the log redacts {', '.join(context.hidden)}, so no row can be scored again")
    if len(rows) < limits.minimum_labels:
        return FindingsEvidence(missing=f"{len(rows):,} labels have arrived; {limits.minimum_labels:,} are required")
    days = (rows[TIME].max() - rows[TIME].min()).total_seconds() / 86_400
    if days < limits.attribution_days:
        return FindingsEvidence(missing=f"the labels span {days:.1f} days; {limits.attribution_days:g} are required")
    trained = context.reference.baseline.importance
    total = sum(max(0.0, value) for value in trained.values())
    heavy = [name for name, value in trained.items() if total and value >= limits.attribution_ratio * total]
    if not heavy:
        return FindingsEvidence(missing="the release has no feature importance")
    rows = rows.sample(min(len(rows), limits.attribution_rows), random_state=context.settings.seed)
    measured = importance(context, rows, heavy)
    if undefined := [name for name, numbers in measured.items() if not all(map(math.isfinite, numbers))]:
        primary = context.settings.gates.primary
        return FindingsEvidence(
            missing=f"{primary} is undefined on these labels, so the importance of {undefined[0]} is unknown"
        )
    findings = worst_first(_finding(context, name, trained[name], *measured[name]) for name in heavy)
    return FindingsEvidence(rows=len(rows), findings=findings)


def importance(context: CheckContext, rows: pd.DataFrame, names: list[str]) -> dict[str, tuple[float, float]]:
    """Return the loss of the primary metric when each column is shuffled, and its standard error."""
    rows = rows.sort_values(TIME)
    metric = metrics.primary(problem.TASK, context.settings.gates.primary)
    random = np.random.default_rng(context.settings.seed)
    features, y = to_features(rows, problem.Row), segments.targets(rows, context.reference.classes)
    columns: predictor.Columns = {str(name): features[name].to_numpy() for name in features}
    model, chunks = context.reference.model, np.array_split(np.arange(len(rows)), CHUNK_COUNT)
    intact, measured = model.predict(columns), {}
    for name in names:
        shuffled = model.predict({**columns, name: random.permutation(columns[name])})
        losses = [
            float(metric.gain(metric.value(y[chunk], intact[chunk]) - metric.value(y[chunk], shuffled[chunk])))
            for chunk in chunks
        ]
        value = float(metric.gain(metric.value(y, intact) - metric.value(y, shuffled)))
        measured[name] = value, _standard_error([loss for loss in losses if math.isfinite(loss)])
    return measured


def _standard_error(values: list[float]) -> float:
    """Return the standard error of the mean of `values`; NaN of fewer than two."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan


def _finding(context: CheckContext, name: str, trained: float, now: float, error: float) -> Finding:
    """Return the finding for one column.

    The score is 1 where the upper end of the interval is exactly `attribution_retention` times the trained importance.
    """
    kept = max(0.0, now + context.limits.attribution_errors * error) / trained
    message = f"{name}: importance {now:.4f} ± {error:.4f}, {trained:.4f} at training"
    score = context.limits.attribution_retention / max(kept, 1e-9)
    return Finding(column=name, what="importance", score=score, message=message)
