"""Samples of a load test, one per request: validation of the response, and the summary that its gates evaluate."""

from __future__ import annotations

import csv
import http
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from slipway.gates.loadtest import LoadTestEvidence
from slipway.loadtest.plan import Request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CANDIDATE = 0  # position among the targets
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
UNANSWERED = "no response before the end of the run"


class Response(Protocol):
    """The attributes of a response of Locust's client that a sample needs."""

    status_code: int
    """0 without a response."""
    error: Exception | None

    @property
    def content(self) -> bytes | str | None:
        """Return the body."""


def read_response(response: Response) -> tuple[str, str]:
    """Return the release that responded to one row, and why the response is invalid; empty for a valid one."""
    if response.status_code != http.HTTPStatus.OK:
        return "", f"status {response.status_code}" if response.status_code else f"no response ({response.error!r})"
    try:
        body = json.loads(response.content or "")
        release, predictions = str(body["release"]), body["predictions"]
    except (ValueError, KeyError, TypeError):
        return "", "body is not a prediction in JSON"
    if not isinstance(predictions, list) or len(predictions) != 1:
        return release, "expected one prediction for one row"
    return release, "" if is_finite(predictions[0]) else "prediction is not a finite number"


def is_finite(prediction: object) -> bool:
    """Return whether a prediction is a finite number, or a list or mapping of finite numbers, one per class."""
    if isinstance(prediction, dict):
        prediction = list(prediction.values())
    if isinstance(prediction, list):
        return bool(prediction) and all(is_finite(number) for number in prediction)
    return isinstance(prediction, int | float) and not isinstance(prediction, bool) and math.isfinite(prediction)


@dataclass(frozen=True)
class Sample:
    """The measurement of a request. Times are seconds since the start of the run."""

    request: Request
    free: float
    """Time at which a connection became free for the request."""
    sent: float
    finished: float
    release: str
    failure: str
    """Empty for a valid response."""

    @property
    def latency(self) -> float:
        """Return the seconds from the due time to the response."""
        return self.finished - self.request.due


def read_samples(path: Path, plan: Sequence[Request]) -> list[Sample]:
    """Return the samples in the CSV file that the locustfile wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_sample(plan[int(row.pop("request"))], **row) for row in csv.DictReader(file)]


def _sample(request: Request, free: str, sent: str, finished: str, release: str, failure: str) -> Sample:
    return Sample(request, float(free), float(sent), float(finished), release, failure)


def summarize(plan: Sequence[Request], samples: Sequence[Sample], offered: LoadTestEvidence) -> LoadTestEvidence:
    """Return `offered` with what the run measured: counts and latencies of the candidate, rate and lag of all requests.

    A request without a response counts as failed. Latencies cover valid responses only, since a fast error is not
    performance.
    """
    measured = [sample for sample in samples if sample.request.measured]
    candidate = [sample for sample in measured if sample.request.target == CANDIDATE]
    due = sum(request.measured and request.target == CANDIDATE for request in plan)
    valid = [sample for sample in candidate if not sample.failure]
    unanswered = Counter({UNANSWERED: due - len(candidate)})
    failures = Counter(sample.failure for sample in candidate if sample.failure) + unanswered
    measurements = {
        "requests": len(candidate),
        "failure_ratio": failures.total() / due if due else None,
        **percentiles("", [sample.latency for sample in valid]),
        "achieved_rate": _achieved_rate(plan, measured, offered.rate or math.nan),
        "failures": dict(failures.most_common(10)),
        "releases": dict(Counter(sample.release for sample in valid)),
        **percentiles("from_send_", [sample.finished - sample.sent for sample in valid]),
        **percentiles("generator_lag_", [sample.sent - max(sample.request.due, sample.free) for sample in measured]),
    }
    return LoadTestEvidence.model_validate({**offered.model_dump(), **measurements})


def _achieved_rate(plan: Sequence[Request], measured: Sequence[Sample], rate: float) -> float | None:
    """Return the achieved fraction of the offered rate; a backlog prolongs the run and lowers it."""
    if not measured:
        return None
    count = sum(request.measured for request in plan)
    warmup = (len(plan) - count) / rate
    duration = max(sample.finished for sample in measured) - warmup
    return len(measured) / (rate * max(count / rate, duration))


def percentiles(prefix: str, seconds: Sequence[float]) -> dict[str, float | None]:
    """Return exact nearest-rank percentiles of `seconds` in milliseconds, by name; None without samples."""
    values = sorted(seconds)
    return {f"{prefix}{name}_milliseconds": _percentile(values, quantile) for name, quantile in QUANTILES.items()}


def _percentile(values: Sequence[float], quantile: float) -> float | None:
    return round(values[max(math.ceil(quantile * len(values)) - 1, 0)] * 1000, 3) if values else None


def in_pairs(samples: Sequence[Sample]) -> list[tuple[list[float], list[float]]]:
    """Return latencies of valid responses in seconds, per pair of blocks: the candidate's and production's."""
    blocks: dict[int, tuple[list[float], list[float]]] = {}
    for sample in samples:
        if sample.request.measured and not sample.failure:
            blocks.setdefault(sample.request.pair, ([], []))[sample.request.target].append(sample.latency)
    return [blocks[pair] for pair in sorted(blocks)]
