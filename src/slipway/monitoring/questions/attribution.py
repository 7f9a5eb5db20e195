"""Does the model still live from the same columns? Each is shuffled, as when the model was evaluated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import metrics, predictor
from slipway.features import to_features
from slipway.monitoring import segments
from slipway.monitoring.questions import performance

if TYPE_CHECKING:
    from slipway.monitoring.look import Look

CHUNKS = 8  # parts of the labelled rows, in the order of time, whose differences say how sure an importance is


def evidence(look: Look) -> dict[str, Any]:
    """Importance of each column that mattered at training, then and now, with its standard error."""
    limits = look.limits
    rows = performance.labelled(look)
    if look.hidden:
        return {"missing": f"the log leaves out {', '.join(look.hidden)}, so that no row can be scored again"}
    if len(rows) < limits["minimum_labels"]:
        return {"missing": f"{len(rows):,} labels have arrived, {limits['minimum_labels']:,} are needed"}
    days = (rows["time"].max() - rows["time"].min()).total_seconds() / 86_400
    if days < limits["attribution_days"]:
        return {"missing": f"labels of {days:.1f} days have arrived, {limits['attribution_days']} are needed"}
    trained = look.reference.promise.importance
    total = sum(max(0.0, value) for value in trained.values())
    heavy = [name for name, value in trained.items() if total and value >= limits["attribution_ratio"] * total]
    if not heavy:
        return {"missing": "the release does not say which columns matter"}
    found = importance(
        look, rows.sample(min(len(rows), limits["attribution_rows"]), random_state=look.params["seed"]), heavy
    )
    if undefined := [name for name, numbers in found.items() if not all(map(math.isfinite, numbers))]:
        primary = look.params["gates"]["primary"]
        return {"missing": f"{primary} is undefined on these labels, so the importance of {undefined[0]} is unknown"}
    return {
        "rows": len(rows),
        "findings": sorted(
            (_finding(look, name, trained[name], *found[name]) for name in heavy), key=lambda one: -one["score"]
        ),
    }


def importance(look: Look, rows: Any, names: list[str]) -> dict[str, tuple[float, float]]:
    """Loss of the primary metric when a column is shuffled, and its standard error over parts of the rows."""
    rows = rows.sort_values("time")
    metric = metrics.primary(problem.TASK, look.params["gates"]["primary"])
    random = np.random.default_rng(look.params["seed"])
    features, y = to_features(rows, problem.Row), segments.targets(rows, look.reference.classes)
    columns: predictor.Columns = {name: features[name].to_numpy() for name in features}
    model, parts = look.reference.model, np.array_split(np.arange(len(rows)), CHUNKS)
    whole, found = model.predict(columns), {}
    for name in names:
        other = model.predict({**columns, name: random.permutation(columns[name])})
        lost = [
            float(metric.gain(metric.value(y[part], whole[part]) - metric.value(y[part], other[part])))
            for part in parts
        ]
        value = float(metric.gain(metric.value(y, whole) - metric.value(y, other)))
        found[name] = value, _standard_error([one for one in lost if math.isfinite(one)])
    return found


def _standard_error(values: list[float]) -> float:
    """Return the standard error of the mean of `values`; NaN of fewer than two."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan


def _finding(look: Look, name: str, trained: float, now: float, error: float) -> dict[str, Any]:
    """The score is 1 where even a favourable reading leaves less than `attribution_retention` of the importance."""
    kept = max(0.0, now + look.limits["attribution_errors"] * error) / trained
    said = f"{name}: importance {now:.4f} ± {error:.4f}, at training {trained:.4f}"
    return {
        "column": name,
        "what": "importance",
        "score": look.limits["attribution_retention"] / max(kept, 1e-9),
        "said": said,
    }
