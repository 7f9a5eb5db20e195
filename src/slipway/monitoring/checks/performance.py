"""The check `performance`: the metrics on the labels that have arrived, overall and by segment.

Rows close in time share conditions such as weather and outages, so the bootstrap draws blocks of hours instead of rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.evaluation import bootstrap, metrics
from slipway.gates.monitoring_evidence import Estimate, PerformanceEvidence
from slipway.monitoring.log_columns import PREDICTION, RELEASE, TIME
from slipway.monitoring.segments import segments, targets
from slipway.monitoring.window import scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from slipway.evaluation.metrics import Metric
    from slipway.monitoring.context import CheckContext


def labeled(context: CheckContext) -> pd.DataFrame:
    """Return the labeled rows of this and the previous windows that the release predicted."""
    rows = context.window.joined.rows
    return rows[rows[problem.TARGET].notna() & (rows[RELEASE] == context.reference.baseline.release)]


def evidence(context: CheckContext) -> PerformanceEvidence:
    """Return metric, baseline, and value with interval: overall, and for each segment with enough labels.

    Where the primary metric is undefined, as on labels of one class, the task's loss takes its place.
    """
    limits, reference, rows = context.limits, context.reference, labeled(context)
    candidates = metrics.deciding(problem.TASK, context.settings.gates.primary)
    primary = candidates[0].name
    baseline = reference.baseline.metrics.get(primary)
    summary = PerformanceEvidence(metric=primary, baseline=baseline, rows=len(rows))
    if len(rows) < limits.minimum_labels:
        missing = f"{len(rows):,} labels have arrived; {limits.minimum_labels:,} are required"
        return summary.model_copy(update={"missing": missing})
    rows = rows.sample(min(len(rows), limits.performance_rows), random_state=context.settings.seed)
    y, predicted = targets(rows, reference.classes), scores(rows[PREDICTION], reference.model.signature)
    blocks = blocks_of(rows[TIME], limits.block_hours)
    groups = segments(rows, limits.minimum_segment_labels)
    alpha = 1 - limits.confidence
    alphas = {name: alpha / max(1, len(groups) - 1) for name in groups} | {"all": alpha}
    baselines: dict[str, Mapping[str, float]] = {**reference.segments(candidates), "all": reference.baseline.metrics}

    def estimate(name: str) -> Estimate:
        places = groups[name]

        def measure(metric: Metric) -> dict[str, float]:
            data = y[places], predicted[places], blocks[places]
            return interval(metric, *data, 1 - alphas[name], limits.resamples, context.settings.seed)

        return _first_defined(candidates, baselines.get(name, {}), measure)

    estimates = {name: estimate(name) for name in groups}
    return summary.model_copy(update={"all": estimates.pop("all"), "segments": estimates})


def _first_defined(
    candidates: Iterable[Metric], baselines: Mapping[str, float], measure: Callable[[Metric], dict[str, float]]
) -> Estimate:
    """Return the interval of the first metric that has one and a baseline, else that of the last."""
    for metric in candidates:
        baseline, measured = baselines.get(metric.name), measure(metric)
        if baseline is None or all(
            map(math.isfinite, (baseline, *(measured[key] for key in ("value", "low", "high"))))
        ):
            break
    return Estimate.model_validate({"metric": metric.name, "baseline": baseline, **measured})


def blocks_of(times: pd.Series, hours: float) -> np.ndarray:
    """Return the number of the block of `hours` that each row belongs to; a resample draws whole blocks."""
    blocks: np.ndarray = pd.factorize(times.dt.floor(f"{round(hours * 60)}min"))[0]
    return blocks


def interval(
    metric: Metric,
    y: np.ndarray,
    predicted: np.ndarray,
    blocks: np.ndarray,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """Return `value`, and the percentile interval `low` to `high` of the block bootstrap.

    The interval is NaN if the metric is undefined on a resample.
    """
    weighted = metric.on(y, predicted)
    drawn = np.concatenate([weighted(weights) for weights in bootstrap.block_weights(blocks, resamples, seed)])
    return bootstrap.interval(metric.value(y, predicted), drawn, confidence).model_dump() | {"rows": len(y)}
