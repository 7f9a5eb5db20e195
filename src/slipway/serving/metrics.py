"""Metrics for Prometheus at `/metrics`, summed over all workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slipway.gates.canary import BOUNDS
from slipway.serving.counts import Histogram, SharedCounts
from slipway.serving.refusal import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

ROUND_EDGES_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LATENCY_EDGES_SECONDS = tuple(sorted({*ROUND_EDGES_SECONDS, *BOUNDS}))
"""Round numbers for alerts, and the bounds by which a canary is judged."""
PROBABILITY_EDGES = tuple(round(step / 20, 2) for step in range(1, 21))
DECADES = range(-3, 7)  # powers of ten of the default edges for predicted values, with three edges per decade
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
OTHER = "other"  # counts a status or reason without a label of its own, which must not fail the request
STATUSES = ("200", *map(str, REFUSALS), OTHER)
COUNTERS = {
    "slipway_requests": ("Prediction requests by status", "status", STATUSES),
    "slipway_rejections": (
        "Refused requests by reason",
        "reason",
        (
            "body_size",
            "content_encoding",
            "content_type",
            "contract",
            "disconnect",
            "json",
            "overload",
            "slow_body",
            "timeout",
            OTHER,
        ),
    ),
    "slipway_rows": ("Predicted rows", None, ("",)),
    "slipway_prediction_log_rows": (
        "Rows for the prediction log by outcome",
        "outcome",
        ("written", "too_many", "queue_full", "write_failed"),
    ),
    "slipway_explanations": ("Requests for explanations by status", "status", STATUSES),
    "slipway_log_lines_dropped": ("Lines dropped from the log on stderr", None, ("",)),
}
"""Description of each counter, with the name of its label and the values of the label."""


class Metrics:
    """Metrics of a worker that serves the model of `signature`.

    `edges` are the bin edges for predictions; if empty, defaults apply. BentoML sets PROMETHEUS_MULTIPROC_DIR, the
    folder in which the workers share their counts.
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, release: dict[str, Any], signature: Mapping[str, Any], edges: Sequence[float] = ()) -> None:
        self._release = release
        self._seconds = Histogram("seconds", LATENCY_EDGES_SECONDS)
        self._explanation_seconds = Histogram("explanation seconds", ROUND_EDGES_SECONDS)
        self._predictions = _predictions(signature, edges)
        histograms = [self._seconds, self._explanation_seconds, *self._predictions.values()]
        names: list[tuple[str, str | int]] = [
            (name, label) for name, (_, _, labels) in COUNTERS.items() for label in labels
        ]
        names += [name for histogram in histograms for name in histogram.names]
        self._counts = SharedCounts(names, os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        for histogram in histograms:
            histogram.attach(self._counts)

    def answered(self, status: int, seconds: float) -> None:
        """Count a prediction request."""
        self._count("slipway_requests", str(status))
        self._seconds.observe(seconds)

    def explained(self, status: int, seconds: float) -> None:
        """Count a request for an explanation, and its duration if it was explained: refusals are quicker."""
        self._count("slipway_explanations", str(status))
        if status == 200:
            self._explanation_seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refused prediction request."""
        self._count("slipway_rejections", reason)

    def predicted(self, scores: np.ndarray) -> None:
        """Count the rows of `scores`, shaped as `Predictor.predict` documents, and their distribution."""
        self._count("slipway_rows", "", len(scores))
        if len(scores) == 1:  # in a third of the time of the array version
            for histogram, value in zip(self._predictions.values(), scores.ravel().tolist(), strict=True):
                histogram.observe(value)
        else:
            for histogram, column in zip(self._predictions.values(), scores.reshape(len(scores), -1).T, strict=True):
                histogram.observe_all(column)

    def logged(self, outcome: str, rows: int) -> None:
        """Count rows of the prediction log. Only one thread may report each outcome."""
        self._count("slipway_prediction_log_rows", outcome, rows)

    def line_dropped(self) -> None:
        """Count a dropped log line."""
        self._count("slipway_log_lines_dropped", "")

    def text(self) -> bytes:
        """Return the metrics in the exposition format of Prometheus."""
        return "".join(f"{line}\n" for line in self._lines(self._counts.total())).encode()

    def _lines(self, total: np.ndarray) -> Iterator[str]:
        yield from _head("slipway_release_info", "The served release", "gauge")
        release = {"commit": self._release.get("commit", ""), "version": self._release["version"]}
        yield _sample("slipway_release_info", release, 1)
        for name, (text, label, values) in COUNTERS.items():
            yield from _head(f"{name}_total", text, "counter")
            for value in values:
                number = total[self._counts.index[name, value]]
                yield _sample(f"{name}_total", {label: value} if label else {}, number)
        yield from _head("slipway_request_seconds", "Time from request headers to response", "histogram")
        yield from _histogram("slipway_request_seconds", {}, self._seconds, total)
        yield from _head("slipway_explanation_seconds", "Time from request headers to explanation", "histogram")
        yield from _histogram("slipway_explanation_seconds", {}, self._explanation_seconds, total)
        yield from _head("slipway_prediction", "Predictions", "histogram")
        for class_name, histogram in self._predictions.items():
            labels = {} if class_name is None else {"class": class_name}
            yield from _histogram("slipway_prediction", labels, histogram, total)

    def _count(self, name: str, label: str, number: int = 1) -> None:
        index = self._counts.index.get((name, label))
        self._counts.values[self._counts.index[name, OTHER] if index is None else index] += number


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{text.translate(ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {float(value)}" if labels else f"{name} {float(value)}"


def _histogram(name: str, labels: Mapping[str, str], histogram: Histogram, total: np.ndarray) -> Iterator[str]:
    numbers, total_value = histogram.cumulative(total)
    for edge, number in zip([*map(float, histogram.edges), "+Inf"], numbers, strict=True):
        yield _sample(f"{name}_bucket", {**labels, "le": str(edge)}, number)
    yield _sample(f"{name}_count", labels, numbers[-1])
    yield _sample(f"{name}_sum", labels, total_value)


def _predictions(signature: Mapping[str, Any], edges: Sequence[float]) -> dict[str | None, Histogram]:
    """Return a histogram per class, or one with the key None for a model that predicts a single number."""
    if signature["task"] == "multiclass":
        return {str(name): Histogram(f"class {name}", edges or PROBABILITY_EDGES) for name in signature["classes"]}
    default = _value_edges() if signature["task"] == "regression" else PROBABILITY_EDGES
    return {None: Histogram("prediction", edges or default)}


def _value_edges() -> tuple[float, ...]:
    """Return default edges for values of unknown scale: zero, and 1, 2 and 5 times each power of ten, of both signs."""
    positive = [float(f"{digit}e{power}") for power in DECADES for digit in (1, 2, 5)]
    return (*(-edge for edge in reversed(positive)), 0.0, *positive)
