"""Counts of canary and baseline: requests from the gateway's metrics, predictions from those of the services.

The gateway also counts the requests that a service never answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from slipway.agent import reconcile, router
from slipway.environment import client
from slipway.gates.canary import BOUNDS, Counts
from slipway.serving.canary_counts import INFINITY, count_predictions, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.samples import Sample

    from slipway.environment.state import GatewayProcess, Instance

ROLES = {"canary": "main", "baseline": "baseline"}


def read(gateway: GatewayProcess, instances: Iterable[Instance], promotion: int) -> dict[str, dict[str, Counts] | None]:
    """Return the counts by side and source, where a source is identified by its process tag.

    A side is None if one of its sources does not respond. `instances` are the ready services of both sides.
    """
    ready = list(instances)
    requests = samples(f"http://127.0.0.1:{gateway.inside}")
    sides: dict[str, dict[str, Counts] | None] = {}
    for side, name in reconcile.side_names(promotion).items():
        own = [instance for instance in ready if instance.role == ROLES[side]]
        predictions = _predictions(own)
        if requests is None or not predictions:
            sides[side] = None
        else:
            sides[side] = {gateway.tag: count_requests(requests, f"{name}@file"), **predictions}
    return sides


def _predictions(instances: Iterable[Instance]) -> dict[str, Counts] | None:
    """Return the predictions of each instance by tag, or None if one of them does not respond."""
    counts = {}
    for instance in instances:
        page = samples(f"http://127.0.0.1:{instance.port}")
        if page is None:
            return None
        counts[instance.tag] = count_predictions(page)
    return counts


def count_requests(samples: Iterable[Sample], service: str) -> Counts:
    """Count the prediction requests that the gateway passed to `service`."""
    own = [
        sample
        for sample in samples
        if sample.labels.get("service") == service and sample.labels.get("method") == "POST"
    ]
    totals = [sample for sample in own if sample.name == f"{router.REQUESTS_METRIC}_total"]
    buckets = [sample for sample in own if sample.name == f"{router.DURATION_METRIC}_bucket"]
    fast = dict.fromkeys(BOUNDS, 0.0)
    for bucket in buckets:
        if bucket.labels["code"].startswith("2") and bucket.labels["le"] != INFINITY:
            fast[float(bucket.labels["le"])] += bucket.value
    return Counts(
        requests=whole(sample.value for sample in totals),
        errors=whole(sample.value for sample in totals if not sample.labels["code"].startswith("2")),
        fast=tuple(whole([value]) for value in fast.values()),
    )


def samples(url: str) -> list[Sample] | None:
    """Return the samples of `/metrics` at `url`, or None without a valid response."""
    try:
        answer = client.client().get(f"{url}/metrics")
        if answer.status_code != httpx.codes.OK:
            return None
        return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    except (httpx.HTTPError, ValueError):
        return None
