"""What Prometheus reads at `/metrics`, added up over the workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slipway.serving.counts import Counts, Histogram
from slipway.serving.refusal import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PROBABILITIES = tuple(round(step / 20, 2) for step in range(1, 21))
POWERS = range(-3, 7)  # of ten, between which predicted values of either sign are told apart, three steps each
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
OTHER = "other"  # so that a status or a reason that is new here is counted, and fails no request
COUNTERS = {
    "slipway_requests": ("Requests for predictions by status", "status", ("200", *map(str, REFUSALS), OTHER)),
    "slipway_rejections": (
        "Requests refused, by reason",
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
    "slipway_rows": ("Rows predicted", None, ("",)),
    "slipway_prediction_log_rows": (
        "What became of the rows for the prediction log",
        "outcome",
        ("written", "too_many", "queue_full", "write_failed"),
    ),
    "slipway_log_lines_dropped": ("Lines left out of the log on stderr", None, ("",)),
}
"""Of each counter: what it counts, the name of its label, and the values of that."""


class Metrics:
    """Counters of one worker, for the model of `signature`; `edges` part the predicted values, and may be empty.

    BentoML sets PROMETHEUS_MULTIPROC_DIR, through which the workers are added up.
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, release: dict[str, Any], signature: Mapping[str, Any], edges: Sequence[float] = ()) -> None:
        self._release = release
        self._seconds = Histogram("seconds", SECONDS)
        self._predictions = _predictions(signature, edges)
        histograms = [self._seconds, *self._predictions.values()]
        names = [(name, label) for name, (_, _, labels) in COUNTERS.items() for label in labels]
        names += [name for histogram in histograms for name in histogram.names]
        self._counts = Counts(names, os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        for histogram in histograms:
            histogram.place(self._counts)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request for predictions."""
        self._count("slipway_requests", str(status))
        self._seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refusal."""
        self._count("slipway_rejections", reason)

    def predicted(self, scores: np.ndarray) -> None:
        """Count the rows of `scores`, shaped as `Predictor.predict` documents, and where they lie."""
        self._count("slipway_rows", "", len(scores))
        if len(scores) == 1:  # a third of the time that arrays take
            for histogram, value in zip(self._predictions.values(), scores.ravel().tolist(), strict=True):
                histogram.observe(value)
        else:
            for histogram, column in zip(self._predictions.values(), scores.reshape(len(scores), -1).T, strict=True):
                histogram.observe_all(column)

    def logged(self, outcome: str, rows: int) -> None:
        """Count rows of the prediction log; of each outcome only one thread may tell."""
        self._count("slipway_prediction_log_rows", outcome, rows)

    def line_dropped(self) -> None:
        """Count a line that was left out of the log."""
        self._count("slipway_log_lines_dropped", "")

    def text(self) -> bytes:
        """In the exposition format of Prometheus."""
        return "".join(f"{line}\n" for line in self._lines(self._counts.total())).encode()

    def _lines(self, total: np.ndarray) -> Iterator[str]:
        yield from _head("slipway_release_info", "The release that answers", "gauge")
        release = {"commit": self._release.get("commit", ""), "version": self._release["version"]}
        yield _sample("slipway_release_info", release, 1)
        for name, (text, label, values) in COUNTERS.items():
            yield from _head(f"{name}_total", text, "counter")
            for value in values:
                number = total[self._counts.index[name, value]]
                yield _sample(f"{name}_total", {label: value} if label else {}, number)
        yield from _head("slipway_request_seconds", "From headers to answer", "histogram")
        yield from _histogram("slipway_request_seconds", {}, self._seconds, total)
        yield from _head("slipway_prediction", "What was predicted", "histogram")
        for name, histogram in self._predictions.items():
            yield from _histogram("slipway_prediction", {} if name is None else {"class": name}, histogram, total)

    def _count(self, name: str, label: str, number: int = 1) -> None:
        place = self._counts.index.get((name, label))
        self._counts.values[self._counts.index[name, OTHER] if place is None else place] += number


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{label}="{text.translate(ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {float(value)}" if labels else f"{name} {float(value)}"


def _histogram(name: str, labels: Mapping[str, str], histogram: Histogram, total: np.ndarray) -> Iterator[str]:
    numbers, added = histogram.cumulated(total)
    for edge, number in zip([*map(float, histogram.edges), "+Inf"], numbers, strict=True):
        yield _sample(f"{name}_bucket", {**labels, "le": str(edge)}, number)
    yield _sample(f"{name}_count", labels, numbers[-1])
    yield _sample(f"{name}_sum", labels, added)


def _predictions(signature: Mapping[str, Any], edges: Sequence[float]) -> dict[str | None, Histogram]:
    """A histogram for each class, or one, named None, where a prediction is one number."""
    if signature["task"] == "multiclass":
        return {str(name): Histogram(f"class {name}", edges or PROBABILITIES) for name in signature["classes"]}
    ordinary = _values() if signature["task"] == "regression" else PROBABILITIES
    return {None: Histogram("prediction", edges or ordinary)}


def _values() -> tuple[float, ...]:
    """Edges for values of which nothing is known: 1, 2 and 5 of each power of ten, of either sign, and zero."""
    above = [float(f"{digit}e{power}") for power in POWERS for digit in (1, 2, 5)]
    return (*(-edge for edge in reversed(above)), 0.0, *above)
