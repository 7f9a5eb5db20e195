"""Counts of a canary or its baseline from the metrics of the service, and the metrics' bin edges of latency.

The agent reads a page of metrics; the job of a cluster reads the same samples from Prometheus.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from slipway.gates.canary import BOUNDS, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client.samples import Sample

REQUESTS_METRIC = "slipway_requests_total"
LATENCY_METRIC = "slipway_request_seconds_bucket"
PREDICTIONS_METRIC = "slipway_prediction"
INFINITY = "+Inf"


def count_predictions(samples: Iterable[Sample]) -> Counts:
    """Count the predictions of a service, which has one histogram, or one per class."""
    own = [sample for sample in samples if sample.name.startswith(PREDICTIONS_METRIC)]
    below = {
        ", ".join(f"{name} {value}" for name, value in sorted(sample.labels.items())).removeprefix("le "): sample.value
        for sample in own
        if sample.name == f"{PREDICTIONS_METRIC}_bucket" and sample.labels["le"] != INFINITY
    }
    rows = [sample.value for sample in own if sample.name == f"{PREDICTIONS_METRIC}_count"]
    return Counts(rows=whole(rows[:1]), below={name: whole([value]) for name, value in below.items()})


def count_service(samples: Sequence[Sample], *, favored: bool) -> Counts | None:
    """Count what a service answered; None without its metrics.

    Latency includes failures: a slow failure counts as a slow request, and a fast one as no success. A release whose
    edges are not `BOUNDS` has the counts of the next edge above if it is `favored`, below if it is not.
    """
    requests = [sample for sample in samples if sample.name == REQUESTS_METRIC]
    within = {
        float(sample.labels["le"]): whole([sample.value])
        for sample in samples
        if sample.name == LATENCY_METRIC and sample.labels["le"] != INFINITY
    }
    if not requests or not within:
        return None
    total = whole(sample.value for sample in requests)
    errors = whole(sample.value for sample in requests if not sample.labels["status"].startswith("2"))
    answered = _at_bounds(within, total) if favored else _at_bounds(within, None)
    predictions = count_predictions(samples)
    fast = tuple(max(count - errors, 0) for count in answered)
    return Counts(total, errors, fast, predictions.rows, predictions.below)


def _at_bounds(within: Mapping[float, int], total: int | None) -> list[int]:
    """Return the requests within each of `BOUNDS`, by the edge below it; by that above it if `total` is given."""
    edges = sorted(within)
    if total is None:
        counts = [0, *(within[edge] for edge in edges)]
        return [counts[bisect_right(edges, bound)] for bound in BOUNDS]
    counts = [*(within[edge] for edge in edges), total]
    return [counts[bisect_left(edges, bound)] for bound in BOUNDS]


def whole(values: Iterable[float]) -> int:
    """Return the sum as an integer. NaN and infinity are kept: the canary's gate rejects them."""
    total = math.fsum(values)
    return int(total) if math.isfinite(total) else total  # type: ignore[return-value]  # Counts.is_finite checks it
