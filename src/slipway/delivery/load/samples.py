"""What a load test measured: from every single request to the evidence that its gates read."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.delivery.load.plan import Request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CANDIDATE = 0  # position among the targets
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
UNANSWERED = "no answer before the end of the run"


@dataclass(frozen=True)
class Sample:
    """What became of a request. Times are seconds since the start of the run."""

    request: Request
    free: float
    """When a connection was free to send it."""
    sent: float
    finished: float
    release: str
    failure: str
    """Empty when the answer was right."""

    @property
    def latency(self) -> float:
        """Seconds from when the request was due."""
        return self.finished - self.request.due


def read_samples(path: Path, plan: Sequence[Request]) -> list[Sample]:
    """Every sample that the locustfile wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_sample(plan[int(row.pop("request"))], **row) for row in csv.DictReader(file)]


def _sample(request: Request, free: str, sent: str, finished: str, release: str, failure: str) -> Sample:
    return Sample(request, float(free), float(sent), float(finished), release, failure)


def summarise(plan: Sequence[Request], samples: Sequence[Sample], rate: float) -> dict[str, Any]:
    """Evidence of a run. Answers, failures and latencies are the candidate's; rate and lag are the whole run's.

    A request that was due and has no answer has failed. Latencies are of right answers: a quick error is not speed.
    """
    measured = [sample for sample in samples if sample.request.measured]
    own = [sample for sample in measured if sample.request.target == CANDIDATE]
    due = sum(request.measured and request.target == CANDIDATE for request in plan)
    right = [sample for sample in own if not sample.failure]
    failures = Counter(sample.failure for sample in own if sample.failure) + Counter({UNANSWERED: due - len(own)})
    return {
        "requests": len(own),
        "failure_ratio": failures.total() / due if due else None,
        **percentiles("", [sample.latency for sample in right]),
        "achieved_rate": _achieved_rate(plan, measured, rate),
        "failures": dict(failures.most_common(10)),
        "releases": dict(Counter(sample.release for sample in right)),
        **percentiles("from_send_", [sample.finished - sample.sent for sample in right]),
        **percentiles("generator_lag_", [sample.sent - max(sample.request.due, sample.free) for sample in measured]),
    }


def _achieved_rate(plan: Sequence[Request], measured: Sequence[Sample], rate: float) -> float | None:
    """Share of the offered rate: answers over the time that they took, which a backlog makes longer than planned."""
    if not measured:
        return None
    count = sum(request.measured for request in plan)
    warmup = (len(plan) - count) / rate
    took = max(sample.finished for sample in measured) - warmup
    return len(measured) / (rate * max(count / rate, took))


def percentiles(prefix: str, seconds: Sequence[float]) -> dict[str, float | None]:
    """Exact percentiles in milliseconds: the smallest sample that at least that share of samples do not exceed."""
    values = sorted(seconds)
    return {f"{prefix}{name}_milliseconds": _percentile(values, share) for name, share in SHARES.items()}


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(values[max(math.ceil(share * len(values)) - 1, 0)] * 1000, 3) if values else None


def in_pairs(samples: Sequence[Sample]) -> list[tuple[list[float], list[float]]]:
    """Latencies (seconds) of right answers by pair of blocks: the candidate's and production's."""
    blocks: dict[int, tuple[list[float], list[float]]] = {}
    for sample in samples:
        if sample.request.measured and not sample.failure:
            blocks.setdefault(sample.request.pair, ([], []))[sample.request.target].append(sample.latency)
    return [blocks[pair] for pair in sorted(blocks)]
