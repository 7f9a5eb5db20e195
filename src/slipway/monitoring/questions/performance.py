"""Does the model do what its report promised? On the labels that have arrived, overall and by segment.

Rows that come together share their weather and their outages, so blocks of hours are drawn for the intervals, not rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import metrics
from slipway.monitoring.segments import segments, targets
from slipway.monitoring.window import scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from slipway.metrics import Metric
    from slipway.monitoring.look import Look

BATCH = 50  # resamples weighted at once; 50,000 rows then take 20 MB


def labelled(look: Look) -> pd.DataFrame:
    """Rows that the release answered, in the window and the time before, of which the label is known."""
    rows = look.window.joined.rows
    return rows[rows[problem.TARGET].notna() & (rows["release"] == look.reference.promise.release)]


def evidence(look: Look) -> dict[str, Any]:
    """Return metric, baseline, and value with interval: overall, and for each segment with enough labels.

    Where the primary metric is undefined, as on labels of one class, the task's loss takes its place.
    """
    limits, reference, rows = look.limits, look.reference, labelled(look)
    candidates = metrics.deciding(problem.TASK, look.params["gates"]["primary"])
    primary = candidates[0].name
    about = {"metric": primary, "promised": reference.promise.metrics.get(primary), "rows": len(rows)}
    if len(rows) < limits["minimum_labels"]:
        return about | {"missing": f"{len(rows):,} labels have arrived, {limits['minimum_labels']:,} are needed"}
    rows = rows.sample(min(len(rows), limits["performance_rows"]), random_state=look.params["seed"])
    y, predicted = targets(rows, reference.classes), scores(rows["prediction"], reference.model.signature)
    blocks = blocks_of(rows["time"], limits["block_hours"])
    groups = segments(rows, limits["minimum_segment_labels"])
    alpha = 1 - limits["confidence"]
    share = {name: alpha / max(1, len(groups) - 1) for name in groups} | {"all": alpha}
    promised = reference.segments(candidates) | {"all": reference.promise.metrics}
    found = {
        name: _first_defined(
            candidates,
            promised.get(name, {}),
            lambda metric, rows=places, one=name: interval(
                metric, y[rows], predicted[rows], blocks[rows], 1 - share[one], look.params
            ),
        )
        for name, places in groups.items()
    }
    return about | {"all": found.pop("all"), "segments": found}


def _first_defined(
    candidates: Iterable[Metric], promised: Mapping[str, float], measure: Callable[[Metric], dict[str, float]]
) -> dict[str, Any]:
    """Return the interval of the first metric that has one and a baseline, else that of the last."""
    for metric in candidates:
        found = {"metric": metric.name, "promised": promised.get(metric.name), **measure(metric)}
        if found["promised"] is None or all(math.isfinite(found[key]) for key in ("promised", "value", "low", "high")):
            break
    return found


def blocks_of(times: pd.Series, hours: float) -> np.ndarray:
    """Number of the block of each row: rows of one number are drawn together."""
    return pd.factorize(times.dt.floor(f"{round(hours * 60)}min"))[0]


def interval(
    metric: Metric,
    y: np.ndarray,
    predicted: np.ndarray,
    blocks: np.ndarray,
    confidence: float,
    params: Mapping[str, Any],
) -> dict[str, float]:
    """Value, low and high: percentiles of the metric when blocks are drawn; NaN where a resample has no value."""
    random = np.random.default_rng(params["seed"])
    weighted, names = metric.on(y, predicted), np.unique(blocks, return_inverse=True)[1]
    count, drawn = names.max() + 1, []
    for start in range(0, params["monitoring"]["resamples"], BATCH):
        many = min(BATCH, params["monitoring"]["resamples"] - start)
        draws = random.multinomial(count, np.full(count, 1 / count), size=many)
        drawn.append(weighted(draws.T[names].astype(np.float64)))
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": metric.value(y, predicted), "low": float(low), "high": float(high), "rows": len(y)}
