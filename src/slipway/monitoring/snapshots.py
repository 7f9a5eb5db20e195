"""The counter snapshots of the services of an environment, and the counts between two of them.

A service counts from its start, so the counts of a window are the difference of two snapshots. A service that is absent
from the first snapshot counts from zero. Counts after its last snapshot are lost.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from slipway.agent import measures
from slipway.environment import state
from slipway.monitoring.window import ServiceCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.samples import Sample

    from slipway.environment.environment import Environment


SNAPSHOTS_MAX = 1000  # one an hour for 40 days
COUNTER_NAMES = ("requests", "errors", "refused", "rows", "lost_rows")
LATENCY_BUCKET_METRIC = "slipway_request_seconds_bucket"
CLIENT_FAULTS = frozenset({"contract", "json"})
"""Reasons of a rejection that are the client's fault."""


class Counters(BaseModel):
    """The counters of one service since its start."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    requests: float = 0
    errors: float = 0
    refused: float = 0
    rows: float = 0
    lost_rows: float = 0
    within: dict[str, float] = {}
    """Cumulative requests by the upper bound of their bucket in seconds, as in Prometheus."""

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Counters:
        """Return the counters from the samples that a service exports."""
        counts = dict.fromkeys(COUNTER_NAMES, 0.0)
        within: dict[str, float] = {}
        for sample in samples:
            for name in _counters_of(sample):
                counts[name] += sample.value
            if sample.name == LATENCY_BUCKET_METRIC:
                within[sample.labels["le"]] = sample.value
        return cls(**counts, within=within)

    def plus(self, later: Counters, earlier: Counters) -> Counters:
        """Return the sum of these counters and the increase from `earlier` to `later`."""
        sums = {name: getattr(self, name) + getattr(later, name) - getattr(earlier, name) for name in COUNTER_NAMES}
        bounds = later.within.keys() | self.within.keys()
        within = {
            bound: self.within.get(bound, 0) + later.within.get(bound, 0) - earlier.within.get(bound, 0)
            for bound in bounds
        }
        return Counters(**sums, within=within)

    def milliseconds(self, quantile: float) -> float | None:
        """Return a latency quantile, interpolated linearly within its bucket; None without requests.

        In the open last bucket, return its lower bound.
        """
        buckets = sorted((float(bound), count) for bound, count in self.within.items())
        if not buckets or buckets[-1][1] <= 0:
            return None
        rank, lower, below = quantile * buckets[-1][1], 0.0, 0.0
        for upper, count in buckets:
            if count >= rank:
                position = (rank - below) / (count - below) if count > below else 1.0
                return 1000 * (lower if upper == float("inf") else lower + position * (upper - lower))
            lower, below = upper, count
        return None


class CounterSnapshot(BaseModel):
    """The counters of every service that responded, by its tag."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    time: datetime
    services: dict[str, Counters]


class CounterHistory(BaseModel):
    """The stored snapshots, oldest first."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    kept: list[CounterSnapshot] = []

    def with_new(self, snapshot: CounterSnapshot) -> CounterHistory:
        """Return the history with `snapshot` appended; unchanged if no service responded."""
        return CounterHistory(kept=[*self.kept, snapshot][-SNAPSHOTS_MAX:]) if snapshot.services else self

    def between(self, start: datetime, end: datetime) -> ServiceCounts | None:
        """Return the counts from the last snapshot before `start` to the last before `end`; None without two."""
        before = [snapshot for snapshot in self.kept if snapshot.time <= start]
        snapshots = [*before[-1:], *(snapshot for snapshot in self.kept if start < snapshot.time <= end)]
        if len(snapshots) < 2:
            return None
        rates = [
            _increase([earlier, later]).requests / (later.time - earlier.time).total_seconds()
            for earlier, later in pairwise(snapshots)
        ]
        total = _increase(snapshots)
        return ServiceCounts(
            requests=round(total.requests),
            errors=round(total.errors),
            refused=round(total.refused),
            rows=round(total.rows),
            lost_rows=round(total.lost_rows),
            p50_milliseconds=total.milliseconds(0.5),
            p99_milliseconds=total.milliseconds(0.99),
            peak_rate=max(rates),
        )


def _increase(snapshots: Sequence[CounterSnapshot]) -> Counters:
    """Return what all services counted from the first to the last snapshot, restarts included."""
    total = Counters()
    for before, after in pairwise(snapshots):
        for tag, later in after.services.items():
            earlier = before.services.get(tag, Counters())
            total = total.plus(later, earlier if later.requests >= earlier.requests else Counters())
    return total


def _counters_of(sample: Sample) -> list[str]:
    """Return the names of the counters that a sample adds to."""
    match sample.name:
        case "slipway_requests_total":
            return ["requests", "errors"] if sample.labels["status"].startswith("5") else ["requests"]
        case "slipway_rejections_total":
            return ["refused"] if sample.labels["reason"] in CLIENT_FAULTS else []
        case "slipway_rows_total":
            return ["rows"]
        case "slipway_prediction_log_rows_total":
            return [] if sample.labels["outcome"] == "written" else ["lost_rows"]
        case _:
            return []


def read(environment: Environment, now: datetime) -> CounterSnapshot:
    """Scrape every service of this machine's agent, or the gateway if the agent runs on another machine."""
    own = state.read(environment.place)
    scrapes = {tag: measures.samples(url) for tag, url in _addresses(environment, own).items()}
    return CounterSnapshot(
        time=now, services={tag: Counters.of(samples) for tag, samples in scrapes.items() if samples}
    )


def _addresses(environment: Environment, own: state.State | None) -> dict[str, str]:
    url = environment.find_url()
    if url is None:
        return {}
    if own is None or environment.is_elsewhere(url):
        return {url: url}
    return {
        instance.tag: f"http://127.0.0.1:{instance.port}" for instance in own.instances if instance.phase == "ready"
    }


def parse(text: str | None) -> CounterHistory:
    """Return the history stored as JSON; an empty one for None."""
    return CounterHistory.model_validate_json(text) if text else CounterHistory()
