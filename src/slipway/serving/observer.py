"""Observability of requests: metrics, log, prediction log, and the request id that links them."""

from __future__ import annotations

import logging
import random
import re
import secrets
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from slipway.serving.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from slipway.serving.metrics import Metrics
    from slipway.serving.prediction_log import PredictionLogger
    from slipway.serving.refusal import RefusedError

logger = logging.getLogger(__name__)
REQUEST_ID_HEADER = b"x-request-id"
UNIT_HEADER = b"x-slipway-unit"
"""The gateway sets it during an experiment by user, and removes one that a client sent."""
WELL_FORMED = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")


class Caller(NamedTuple):
    """The request id, and the experiment and pseudonym of the user; the latter is empty without an experiment."""

    request_id: bytes
    unit: bytes = b""


class Observer:
    """Receives the events of a worker's requests."""

    def __init__(
        self, metrics: Metrics, settings: Mapping[str, Any], predictions: PredictionLogger | None = None
    ) -> None:
        self.metrics = metrics
        self._predictions = predictions
        self._access_sample = settings["access_log"]
        self._refusals, self._failures = RateLimit(settings["lines_a_second"]), RateLimit(settings["lines_a_second"])
        self._numbers = count()
        self._worker_id = secrets.token_hex(8).encode()

    def request_id(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Return the id of a request: that of its header if it is well-formed, else a new one."""
        received = headers.get(REQUEST_ID_HEADER)
        if received is not None and WELL_FORMED.fullmatch(received):
            return received
        return b"%s-%x" % (self._worker_id, next(self._numbers))

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return the caller of a request; a unit that is not well-formed is left out."""
        unit = headers.get(UNIT_HEADER, b"")
        return Caller(self.request_id(headers), unit if WELL_FORMED.fullmatch(unit) else b"")

    def refused(self, request_id: bytes, refused: RefusedError) -> None:
        """Count and log a refused request for predictions."""
        self.metrics.refused(refused.reason)
        self.explanation_refused(request_id, refused)

    def explanation_refused(self, request_id: bytes, refused: RefusedError) -> None:
        """Log a refused request for an explanation, which `explained` counts."""
        if self._refusals.passes():
            fields = {"status": refused.status, "reason": refused.reason, "detail": refused.details[0]}
            logger.info("refused: %s", refused, extra=_fields(request_id, fields))
        else:
            self.metrics.line_dropped()

    def failed(self, request_id: bytes) -> None:
        """Log a failed request with the exception that is being handled."""
        if self._failures.passes():
            logger.exception("failed", extra=_fields(request_id, {"status": 500}))
        else:
            self.metrics.line_dropped()

    def predicted(self, caller: Caller, body: bytes | bytearray, scores: np.ndarray, predictions: list[Any]) -> None:
        """Count and log the predictions for `body`; `predictions` is the response format of `scores`."""
        self.metrics.predicted(scores)
        if self._predictions is not None:
            self._predictions.offer(caller.request_id, body, predictions, caller.unit)

    def answered(self, request_id: bytes, status: int, seconds: float) -> None:
        """Count a prediction request that was answered, with any status."""
        self.metrics.answered(status, seconds)
        self._log_answered(request_id, status, seconds)

    def explained(self, request_id: bytes, status: int, seconds: float) -> None:
        """Count a request for an explanation that was answered, with any status."""
        self.metrics.explained(status, seconds)
        self._log_answered(request_id, status, seconds)

    def _log_answered(self, request_id: bytes, status: int, seconds: float) -> None:
        if self._access_sample and random.random() < self._access_sample:  # noqa: S311  sampling needs no secure randomness
            logger.info("answered", extra=_fields(request_id, {"status": status, "seconds": round(seconds, 6)}))


def _fields(request_id: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    return {"fields": {"request_id": request_id.decode(), **fields}}
