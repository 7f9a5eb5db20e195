"""How the services of an environment have done: their counters, read at each look, and what came between two readings.

A service counts from its start, so what it counted in a window is the difference of two readings. One that was not
there at the first has counted from zero; what one counted after its last reading is not known.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from slipway.delivery.agent import agents, measures, state
from slipway.delivery.home import gateway_url
from slipway.errors import UserError
from slipway.monitoring.window import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.samples import Sample

    from slipway.delivery.home import Place

KEPT = 1000  # readings; one an hour for 40 days
BUCKET = "slipway_request_seconds_bucket"
BROKEN = frozenset({"contract", "json"})


class Counters(BaseModel):
    """Of one service since its start."""

    model_config = ConfigDict(frozen=True)

    requests: float = 0
    errors: float = 0
    refused: float = 0
    rows: float = 0
    lost_rows: float = 0
    within: dict[str, float] = {}
    """Requests by the upper end of their seconds, cumulated, as in Prometheus."""

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Counters:
        """From what the service exports."""
        found = dict.fromkeys(("requests", "errors", "refused", "rows", "lost_rows"), 0.0)
        within: dict[str, float] = {}
        for one in samples:
            for name in _counted(one):
                found[name] += one.value
            if one.name == BUCKET:
                within[one.labels["le"]] = one.value
        return cls(**found, within=within)

    def plus(self, later: Counters, earlier: Counters) -> Counters:
        """With what came between two readings of a service."""
        added = {
            name: getattr(self, name) + getattr(later, name) - getattr(earlier, name)
            for name in ("requests", "errors", "refused", "rows", "lost_rows")
        }
        ends = later.within.keys() | self.within.keys()
        within = {end: self.within.get(end, 0) + later.within.get(end, 0) - earlier.within.get(end, 0) for end in ends}
        return Counters(**added, within=within)

    def milliseconds(self, quantile: float) -> float | None:
        """Latency, linear within a bucket; None without requests, and the last end for what is beyond it."""
        ends = sorted((float(end), count) for end, count in self.within.items())
        if not ends or ends[-1][1] <= 0:
            return None
        wanted, before, below = quantile * ends[-1][1], 0.0, 0.0
        for end, count in ends:
            if count >= wanted:
                inside = (wanted - below) / (count - below) if count > below else 1.0
                return 1000 * (before if end == float("inf") else before + inside * (end - before))
            before, below = end, count
        return None


class Reading(BaseModel):
    """Counters of every service that answered, by its mark."""

    model_config = ConfigDict(frozen=True)

    time: datetime
    services: dict[str, Counters]


class Readings(BaseModel):
    """All that were kept, oldest first."""

    model_config = ConfigDict(frozen=True)

    kept: list[Reading] = []

    def with_new(self, reading: Reading) -> Readings:
        """One more; one in which nobody answered is none."""
        return Readings(kept=[*self.kept, reading][-KEPT:]) if reading.services else self

    def between(self, start: datetime, end: datetime) -> Service | None:
        """What was counted from the last reading before `start` to the last before `end`; None without two readings."""
        early = [one for one in self.kept if one.time <= start]
        within = [*early[-1:], *(one for one in self.kept if start < one.time <= end)]
        if len(within) < 2:
            return None
        rates = [
            _between([one, other]).requests / (other.time - one.time).total_seconds() for one, other in pairwise(within)
        ]
        total = _between(within)
        return Service(
            requests=round(total.requests),
            errors=round(total.errors),
            refused=round(total.refused),
            rows=round(total.rows),
            lost_rows=round(total.lost_rows),
            p50_milliseconds=total.milliseconds(0.5),
            p99_milliseconds=total.milliseconds(0.99),
            peak_rate=max(rates),
        )


def _between(readings: Sequence[Reading]) -> Counters:
    total = Counters()
    for one, other in pairwise(readings):
        for mark, later in other.services.items():
            earlier = one.services.get(mark, Counters())
            total = total.plus(later, earlier if later.requests >= earlier.requests else Counters())
    return total


def _counted(one: Sample) -> list[str]:
    """What a sample adds to."""
    match one.name:
        case "slipway_requests_total":
            return ["requests", "errors"] if one.labels["status"].startswith("5") else ["requests"]
        case "slipway_rejections_total":
            return ["refused"] if one.labels["reason"] in BROKEN else []
        case "slipway_rows_total":
            return ["rows"]
        case "slipway_prediction_log_rows_total":
            return [] if one.labels["outcome"] == "written" else ["lost_rows"]
        case _:
            return []


def read(environment: str, place: Place, now: datetime) -> Reading:
    """Ask every service of this machine's agent, or the front door where that is elsewhere."""
    own = state.read(place)
    found = {mark: measures.samples(url) for mark, url in _addresses(environment, own).items()}
    return Reading(time=now, services={mark: Counters.of(samples) for mark, samples in found.items() if samples})


def _addresses(environment: str, own: state.State | None) -> dict[str, str]:
    try:
        url = gateway_url(environment)
    except UserError:
        return {}
    if own is None or agents.is_elsewhere(environment, url):
        return {url: url}
    return {one.mark: f"http://127.0.0.1:{one.port}" for one in own.instances if one.phase == "ready"}


def parse(text: str | None) -> Readings:
    """Those that were kept as `text`; None, and there are none yet."""
    return Readings.model_validate_json(text) if text else Readings()
