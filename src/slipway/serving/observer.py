"""What the service tells of a request: metrics, the log on stderr, the prediction log, and the id that ties them."""

from __future__ import annotations

import logging
import random
import re
import secrets
from itertools import count
from typing import TYPE_CHECKING, Any

from slipway.serving.logs import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from slipway.serving.contract import RefusedError
    from slipway.serving.metrics import Metrics
    from slipway.serving.prediction_log import PredictionLog

logger = logging.getLogger(__name__)
HEADER = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")


class Observer:
    """Told by the routes what happens; one for each worker."""

    def __init__(self, metrics: Metrics, settings: Mapping[str, Any], predictions: PredictionLog | None = None) -> None:
        self.metrics = metrics
        self._predictions = predictions
        self._access_sample = settings["access_log"]
        self._refusals, self._failures = Rate(settings["lines_a_second"]), Rate(settings["lines_a_second"])
        self._made = count()
        self._maker = secrets.token_hex(8).encode()

    def request_id(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Id of a request: the one it brings if that is well-formed, or a new one."""
        brought = headers.get(HEADER)
        if brought is not None and WELL_FORMED.fullmatch(brought):
            return brought
        return b"%s-%x" % (self._maker, next(self._made))

    def refused(self, request_id: bytes, refused: RefusedError) -> None:
        """A request was not served, for a reason that the client is told."""
        self.metrics.refused(refused.reason)
        if self._refusals.passes():
            fields = {"status": refused.status, "reason": refused.reason, "detail": refused.details[0]}
            logger.info("refused: %s", refused, extra=_fields(request_id, fields))
        else:
            self.metrics.line_dropped()

    def failed(self, request_id: bytes) -> None:
        """A request met an exception, which is being handled."""
        if self._failures.passes():
            logger.exception("failed", extra=_fields(request_id, {"status": 500}))
        else:
            self.metrics.line_dropped()

    def predicted(self, request_id: bytes, body: bytes | bytearray, scores: np.ndarray, predictions: list[Any]) -> None:
        """The rows of `body` got `predictions`, which are `scores` as they are answered."""
        self.metrics.predicted(scores)
        if self._predictions is not None:
            self._predictions.offer(request_id, body, predictions)

    def answered(self, request_id: bytes, status: int, seconds: float) -> None:
        """A request for predictions was answered in any way."""
        self.metrics.answered(status, seconds)
        if self._access_sample and random.random() < self._access_sample:  # noqa: S311  a sample is no secret
            logger.info("answered", extra=_fields(request_id, {"status": status, "seconds": round(seconds, 6)}))


def _fields(request_id: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    return {"fields": {"request_id": request_id.decode(), **fields}}
