"""Gates of the load test, judged on what the load generator measured.

A run in which the generator itself may be the bottleneck is `inconclusive`; its reason starts with `invalid:`.
Latency counts from the time at which a request was due. Evidence that is missing or NaN fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from slipway.evaluation import bootstrap
from slipway.gates.verdict import Outcome, Verdict
from slipway.schema.bounds import Absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.settings.serving import LoadTestSection

    Pairs = Sequence[tuple[Sequence[float], Sequence[float]]]

AGAINST = "load test: against production"
SATURATED = "invalid: the load generator was the bottleneck"
RATE_NOT_REACHED = "invalid: the offered rate was not reached"
TOO_FEW = "invalid: too few responses for a verdict"


class LoadTestEvidence(BaseModel):
    """Measurements of a run, the evidence in results/loadtest.json. None if not measured.

    Further percentiles, such as `p99.9_milliseconds`, are for readers only.
    """

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, float | None]

    environment: Absent[str] = None
    """None if the target was a URL."""
    release: Absent[str] = None
    targets: list[str] = []
    """URL of the candidate, then that of production if it was compared."""
    rate: float | None = None
    """Offered requests per second."""
    generator_cpu: float | None = None
    """CPU of the load generator, as a fraction of one core."""
    requests: int | float | None = None
    """Completed requests to the candidate."""
    failure_ratio: float | None = None
    """Fraction of the requests due that failed."""
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None
    achieved_rate: float | None = None
    """Achieved fraction of the offered rate."""
    failures: dict[str, int] = {}
    """The most frequent reasons of failure."""
    releases: dict[str, int] = {}
    """Valid responses by release."""


@dataclass(frozen=True)
class Limit:
    """A gate with a bound on one number of the evidence.

    `number` is its name there; `limit` is the name of the bound in `params.yaml`, if it differs.
    """

    gate: str
    number: str
    bound: str
    text: str
    reason: str
    limit: str = ""

    def kept(self, observed: float, limit: float) -> bool:
        """Return whether `observed` is within `limit`."""
        return observed <= limit if self.bound == "at most" else observed >= limit


LIMITS = (
    Limit("load test: answers", "requests", "at least", "{:,.0f}", TOO_FEW, "minimum_requests"),
    Limit("load test: failures", "failure_ratio", "at most", "{:.2%}", "requests failed"),
    Limit("load test: p50", "p50_milliseconds", "at most", "{:.2f} ms", "too slow"),
    Limit("load test: p99", "p99_milliseconds", "at most", "{:.2f} ms", "too slow"),
    Limit("load test: achieved rate", "achieved_rate", "at least", "{:.1%}", RATE_NOT_REACHED),
    Limit("load test: generator CPU", "generator_cpu", "at most", "{:.0%}", SATURATED),
)


def judge(evidence: LoadTestEvidence, limits: LoadTestSection) -> list[Verdict]:
    """Judge one run by `limits`, the section `loadtest` of `params.yaml`."""
    verdicts = [
        _verdict(limit, getattr(evidence, limit.number), getattr(limits, limit.limit or limit.number))
        for limit in LIMITS
    ]
    if any(verdict.reason == SATURATED for verdict in verdicts):
        return [_without_latency(verdict) for verdict in verdicts]
    return verdicts


def _verdict(limit: Limit, observed: float | None, threshold: float) -> Verdict:
    verdict = Verdict(limit.gate, Outcome.PASS, f"{limit.bound} {limit.text.format(threshold)}", "not measured")
    if observed is None or math.isnan(observed):
        return replace(verdict, outcome=Outcome.FAIL, reason="no evidence")
    verdict = replace(verdict, observed=limit.text.format(observed))
    if limit.kept(observed, threshold):
        return verdict
    invalid = limit.reason.startswith("invalid:")
    return replace(verdict, outcome=Outcome.INCONCLUSIVE if invalid else Outcome.FAIL, reason=limit.reason)


def _without_latency(verdict: Verdict) -> Verdict:
    """Make a failed latency inconclusive, since a saturated generator delays its own requests."""
    if verdict.reason == "too slow":
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=SATURATED)
    return verdict


def compare(pairs: Pairs, limits: LoadTestSection, seed: int) -> Verdict:
    """Compare the median latency of a candidate with that of production, from interleaved blocks of one run.

    `pairs` holds adjacent blocks (candidate's latencies, production's); `limits` is the section `loadtest` of
    `params.yaml`. The gate fails where the interval of the ratio of medians lies above the margin, passes where it
    does not exceed the margin, and is inconclusive in between.
    """
    against = limits.against
    margin = 1 + against.margin
    verdict = Verdict(AGAINST, Outcome.INCONCLUSIVE, f"median at most {margin:.2f} of production's", "not measured")
    whole = [pair for pair in pairs if all(len(block) for block in pair)]
    if any(sum(len(pair[side]) for pair in whole) < limits.minimum_requests for side in (0, 1)):
        return replace(verdict, reason=TOO_FEW)
    ratio, low, high = ratio_of_medians(whole, against.confidence, against.resamples, seed)
    verdict = replace(verdict, observed=f"{ratio:.3f} [{low:.3f}, {high:.3f}]")
    if low > margin:
        return replace(verdict, outcome=Outcome.FAIL, reason="slower")
    if high <= margin:
        return replace(verdict, outcome=Outcome.PASS, reason="faster" if high < 1 else "within noise")
    return replace(verdict, reason="the interval includes the margin; measure for longer")


def ratio_of_medians(pairs: Pairs, confidence: float, resamples: int, seed: int) -> tuple[float, float, float]:
    """Return the candidate's median latency over production's, with its bootstrap percentile interval (low, high).

    Resamples whole pairs of blocks, because noise of the machine outlasts a request and correlates its neighbors.
    """
    random = np.random.default_rng(seed)
    blocks = [(np.asarray(candidate), np.asarray(production)) for candidate, production in pairs]
    draws = random.integers(len(blocks), size=(resamples, len(blocks)))
    ratios = [_ratio([blocks[index] for index in draw]) for draw in draws]
    interval = bootstrap.interval(_ratio(blocks), np.array(ratios), confidence)
    return interval.value, interval.low, interval.high


def _ratio(blocks: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    candidate, production = (np.concatenate(side) for side in zip(*blocks, strict=True))
    return float(np.median(candidate) / np.median(production))
