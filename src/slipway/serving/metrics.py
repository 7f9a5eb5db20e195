"""What Prometheus reads at `/metrics`, added up over the workers."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of one worker. BentoML sets PROMETHEUS_MULTIPROC_DIR, through which the workers are added up."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, release: dict[str, Any]) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._make(Counter, "slipway_requests", "Requests for predictions by status", ["status"])
        self._rejections = self._make(Counter, "slipway_rejections", "Requests refused, by reason", ["reason"])
        self._seconds = self._make(Histogram, "slipway_request_seconds", "From headers to answer", buckets=SECONDS)
        self._rows = self._make(Counter, "slipway_rows", "Rows predicted")
        self._make(
            Gauge, "slipway_release_info", "The release that answers", ["version", "commit"], multiprocess_mode="max"
        ).labels(release["version"], release.get("commit", "")).set(1)
        self._by_status = {}

    def _make(self, kind: type, name: str, text: str, labels: Any = (), **options: Any) -> Any:
        return kind(name, text, labels, registry=self._registry, **options)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request for predictions."""
        counter = self._by_status.get(status)
        if counter is None:  # looking a label up takes longer than counting
            counter = self._by_status[status] = self._requests.labels(status)
        counter.inc()
        self._seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refusal."""
        self._rejections.labels(reason).inc()

    def predicted(self, rows: int) -> None:
        """Count rows."""
        self._rows.inc(rows)

    def text(self) -> bytes:
        """In the exposition format of Prometheus."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return generate_latest(together)
