"""What canary and baseline have answered: requests as the front door counts them, predictions as the services do.

The front door also sees the requests that a service never answered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from slipway.delivery import clients
from slipway.delivery.agent import reconcile, router
from slipway.gates.canary import BOUNDS, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.samples import Sample

    from slipway.delivery.agent.state import Instance, Router

PREDICTIONS = "slipway_prediction"
ALL = "+Inf"


def read(front: Router, instances: Iterable[Instance], promotion: int) -> dict[str, dict[str, Counts] | None]:
    """Of each side what each source counted, by its mark; None for a side of which a source does not answer.

    `instances` are those of both sides, ready.
    """
    ready = list(instances)
    requests = samples(f"http://127.0.0.1:{front.inside}")
    roles = {"canary": "main", "baseline": "baseline"}
    seen: dict[str, dict[str, Counts] | None] = {}
    for side, name in reconcile.sides(promotion).items():
        pages = {one.mark: samples(f"http://127.0.0.1:{one.port}") for one in ready if one.role == roles[side]}
        if requests is None or not pages or None in pages.values():
            seen[side] = None
        else:
            predictions = {mark: count_predictions(page) for mark, page in pages.items()}
            seen[side] = {front.mark: count_requests(requests, f"{name}@file"), **predictions}
    return seen


def count_requests(samples: Iterable[Sample], service: str) -> Counts:
    """Requests for predictions that the front door passed to `service`."""
    own = [one for one in samples if one.labels.get("service") == service and one.labels.get("method") == "POST"]
    totals = [one for one in own if one.name == f"{router.REQUESTS}_total"]
    right = [one for one in own if one.name == f"{router.SECONDS}_bucket" and one.labels["code"].startswith("2")]
    fast = dict.fromkeys(BOUNDS, 0.0)
    for one in right:
        if one.labels["le"] != ALL:
            fast[float(one.labels["le"])] += one.value
    return Counts(
        requests=_whole(one.value for one in totals),
        errors=_whole(one.value for one in totals if not one.labels["code"].startswith("2")),
        fast=tuple(_whole([value]) for value in fast.values()),
    )


def count_predictions(samples: Iterable[Sample]) -> Counts:
    """Predictions that a service made: one histogram, or one for each class."""
    own = [one for one in samples if one.name.startswith(PREDICTIONS)]
    below = {
        ", ".join(f"{name} {value}" for name, value in sorted(one.labels.items())).removeprefix("le "): one.value
        for one in own
        if one.name == f"{PREDICTIONS}_bucket" and one.labels["le"] != ALL
    }
    rows = [one.value for one in own if one.name == f"{PREDICTIONS}_count"]
    return Counts(rows=_whole(rows[:1]), below={name: _whole([value]) for name, value in below.items()})


def samples(url: str) -> list[Sample] | None:
    """What `/metrics` at `url` says; None when there is no answer, or another one."""
    try:
        answer = clients.client().get(f"{url}/metrics")
        if answer.status_code != httpx.codes.OK:
            return None
        return [one for family in text_string_to_metric_families(answer.text) for one in family.samples]
    except (httpx.HTTPError, ValueError):
        return None


def _whole(values: Iterable[float]) -> int:
    """Their sum; what is not a number stays that, and is found to be so by whoever judges."""
    total = math.fsum(values)
    return int(total) if math.isfinite(total) else total  # type: ignore[return-value]
