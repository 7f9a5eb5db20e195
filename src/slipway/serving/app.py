"""Routes of the service, as a plain ASGI application.

It uses no framework, because Starlette's routing, requests and responses take longer than validation and scoring.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import to_json

from slipway.serving import open_inference
from slipway.serving.admission import Admission, BodyReader, overload, too_large
from slipway.serving.content_type import is_json
from slipway.serving.refusal import RefusedError, detail
from slipway.serving.scorer import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from slipway.serving.contract import RowContract
    from slipway.serving.explanations import Explanations
    from slipway.serving.observer import Caller, Observer
    from slipway.serving.open_inference import OpenInference
    from slipway.serving.scorer import Scorer

    Answer = Callable[[Caller, bytearray], Awaitable[bytes]]
    Headers = Iterable[tuple[bytes, bytes]]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON = b"application/json"
PREDICT, EXPLAIN = "/predict", "/explain"
PREFIX = re.compile(rb"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
_NO_HEADERS: list[tuple[bytes, bytes]] = []
PREFIXES_MAX = 8  # cached versions of a page, one per prefix; each proxy has one prefix


@dataclass(frozen=True)
class Route:
    """How POST requests to a path are answered, refused, limited and counted."""

    answer: Answer
    refusal: Callable[..., bytes]
    admission: Admission
    refused: Callable[[bytes, RefusedError], None]
    """Observes a refusal, by request id."""
    answered: Callable[[bytes, int, float], None]
    """Observes a response with any status, by request id, with its seconds."""


class App:
    """ASGI application that answers POST of rows and GET of fixed pages."""

    def __init__(
        self,
        release: dict[str, Any],
        contract: RowContract,
        scorer: Scorer,
        observer: Observer,
        settings: dict[str, Any],
    ) -> None:
        self._contract = contract
        self._scorer = scorer
        self._observer = observer
        self._settings = settings
        self._classes = scorer.classes
        self._head = b'{"release":%s,"predictions":' % to_json(release["version"])
        self.admission = Admission(settings["max_concurrency"])
        self._bodies = BodyReader(settings["max_bytes"], settings["max_waiting_bytes"], settings["timeout_seconds"])
        self._full = overload()
        self._full_body = _refusal(str(self._full))
        self._retry_after = (b"retry-after", b"%d" % settings["retry_after_seconds"])
        self._pages: dict[str, Callable[[], tuple[bytes, bytes]]] = {
            "/livez": lambda: (b"text/plain", b"alive\n"),
            "/readyz": lambda: (b"text/plain", b"ready\n"),
            "/metrics": lambda: (observer.metrics.content_type.encode(), observer.metrics.text()),
            "/release": lambda: (JSON, json.dumps(release).encode()),
        }
        self._prefixed: dict[str, tuple[bytes, Callable[[str], bytes]]] = {}
        self._predict = self._prediction_route(self._answer, _refusal)
        self._routes = {PREDICT: self._predict}

    def add_page(self, path: str, content_type: bytes, body: Callable[[str], bytes]) -> None:
        """Serve `path` with the result of `body`, a function of the path prefix of the client's proxy."""
        self._prefixed[path] = content_type, lru_cache(PREFIXES_MAX)(body)

    def add_protocol(self, protocol: OpenInference) -> None:
        """Also answer requests of the Open Inference Protocol."""
        infer = self._prediction_route(partial(self._infer, protocol), open_inference.error)
        self._routes |= dict.fromkeys(protocol.infer_paths, infer)
        documents = protocol.documents()
        self._pages |= {path: partial(_document, content) for path, content in documents.items()}

    def add_explanations(self, explanations: Explanations, max_concurrency: int) -> None:
        """Also explain predictions, with a limit and metrics of their own, so that those of predictions stay theirs."""
        observer = self._observer
        self._routes[EXPLAIN] = Route(
            explanations.answer, _refusal, Admission(max_concurrency), observer.explanation_refused, observer.explained
        )

    def _prediction_route(self, answer: Answer, refusal: Callable[..., bytes]) -> Route:
        return Route(answer, refusal, self.admission, self._observer.refused, self._observer.answered)

    def is_inline(self, body: bytes | bytearray) -> bool:
        """Return whether the answer to a prediction request with `body` is expected to be computed inline."""
        return len(body) <= LARGE_BYTES and self._contract.approximate_rows(body) <= self._scorer.inline_rows

    def answer_inline(
        self, headers: Headers, body: bytes | bytearray, start: float
    ) -> tuple[int, Headers, bytes] | None:
        """Return status, headers and body of the response to an admitted prediction request.

        The response is that of `__call__`. Returns None if the rows have to be scored on the thread, so that only
        `__call__` can answer. `start` is the time of the request's headers on `time.perf_counter`.
        """
        received = dict(headers)
        caller = self._observer.caller(received)
        request_id = caller.request_id
        status, extra = 200, _NO_HEADERS
        try:
            _check_headers(received, self._settings["max_bytes"])
            if len(body) > self._settings["max_bytes"]:
                raise too_large(self._settings["max_bytes"])
            rows, columns = self._contract.parse(body)
            if rows > self._scorer.inline_rows:
                return None
            response = self._predictions_in_json(caller, body, self._scorer.score_inline(columns))
        except Exception as error:  # noqa: BLE001  any failure is answered here, and logged by the observer
            status, response, extra = self._failure(error, self._predict, request_id, received)
        self._observer.answered(request_id, status, time.perf_counter() - start)
        return status, [(b"content-type", JSON), (b"x-request-id", request_id), *extra], response

    def reject(self, headers: Headers) -> tuple[Headers, bytes]:
        """Count a request with `headers` as refused (503), and return headers and body of the response."""
        request_id = self._observer.request_id(dict(headers))
        self._observer.refused(request_id, self._full)
        self._observer.answered(request_id, self._full.status, 0.0)
        return [(b"content-type", JSON), (b"x-request-id", request_id), self._retry_after], self._full_body

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request; refuse a WebSocket."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["method"] == "POST" and (route := self._routes.get(scope["path"])):
            await self._post(scope, receive, send, route)
        else:
            await _send(send, *self._page(scope["path"], scope["method"], scope["headers"]))

    def _page(self, path: str, method: str, headers: Headers) -> tuple[int, bytes, bytes, Headers]:
        if path in self._pages and method in {"GET", "HEAD"}:
            return 200, *self._pages[path](), ()
        if path in self._prefixed and method in {"GET", "HEAD"}:
            content_type, body = self._prefixed[path]
            return 200, content_type, body(_prefix(dict(headers))), [(b"vary", b"X-Forwarded-Prefix")]
        refusal = open_inference.error if path.startswith(open_inference.ROOT) else _refusal
        is_post = path in self._routes
        if is_post or path in self._pages or path in self._prefixed:
            allowed = "POST" if is_post else "GET, HEAD"
            return 405, JSON, refusal(f"{path} supports {allowed}"), [(b"allow", allowed.encode())]
        return 404, JSON, refusal("not found; the routes are listed at /"), ()

    async def _post(self, scope: dict[str, Any], receive: Receive, send: Send, route: Route) -> None:
        start = time.perf_counter()
        headers = dict(scope["headers"])
        caller = self._observer.caller(headers)
        request_id, extra = caller.request_id, _NO_HEADERS
        try:
            status, body = 200, await self._admitted(caller, headers, receive, route)
        except Exception as error:  # noqa: BLE001  any failure is answered here, and logged by the observer
            status, body, extra = self._failure(error, route, request_id, headers)
        await _send(send, status, JSON, body, [(b"x-request-id", request_id), *extra])
        route.answered(request_id, status, time.perf_counter() - start)

    def _failure(
        self, error: Exception, route: Route, request_id: bytes, headers: Mapping[bytes, bytes]
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Observe the error that is being handled, and return status, body and further headers of its response."""
        if not isinstance(error, RefusedError):
            self._observer.failed(request_id)
            return 500, route.refusal("the service failed; see its log"), []
        route.refused(request_id, error)
        extra = [self._retry_after] if error.status == 503 else []
        if error.status == 408 or b"expect" in headers:
            # The rest of the body would be as slow, or never arrive, and the next request would be read as body.
            extra.append((b"connection", b"close"))
        return error.status, route.refusal(str(error), error.details), extra

    async def _admitted(self, caller: Caller, headers: dict[bytes, bytes], receive: Receive, route: Route) -> bytes:
        _check_headers(headers, self._settings["max_bytes"])
        body = await self._bodies.read(receive)
        with route.admission:
            await route.admission.wait_for_slice()
            return await route.answer(caller, body)

    async def _answer(self, caller: Caller, body: bytearray) -> bytes:
        async with self._scorer.slot(len(body)):
            rows, columns = self._contract.parse(body)
            scores = await self._scorer.score(rows, columns)
        return self._predictions_in_json(caller, body, scores)

    async def _infer(self, protocol: OpenInference, caller: Caller, body: bytearray) -> bytes:
        async with self._scorer.slot(len(body)):
            request = protocol.read(body)
            rows, columns = self._contract.parse(request.rows)
            scores = await self._scorer.score(rows, columns)
        self._recorded(caller, request.rows, scores)
        return protocol.response(request, scores)

    def _predictions_in_json(self, caller: Caller, body: bytes | bytearray, scores: np.ndarray) -> bytes:
        return self._head + to_json(self._recorded(caller, body, scores)) + b"}"

    def _recorded(self, caller: Caller, body: bytes | bytearray, scores: np.ndarray) -> list[Any]:
        """Return the predictions for the rows in `body`, after they are counted and logged."""
        values = scores.tolist()
        # For one number, numpy takes ten times as long.
        if not (isfinite(values[0]) if scores.shape == (1,) else np.isfinite(scores).all()):
            raise ValueError("the model returned NaN or infinity")
        predictions = self._predictions(values)
        self._observer.predicted(caller, body, scores, predictions)
        return predictions

    def _predictions(self, scores: list[Any]) -> list[Any]:
        if self._classes is None:
            return scores
        return [dict(zip(self._classes, row, strict=True)) for row in scores]


def _document(content: bytes) -> tuple[bytes, bytes]:
    return JSON, content


def _check_headers(headers: dict[bytes, bytes], max_bytes: int) -> None:
    if not is_json(headers.get(b"content-type", b"")):
        raise RefusedError(415, "content_type", "Content-Type must be application/json, in UTF-8")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RefusedError(415, "content_encoding", "Content-Encoding is not supported; send the body uncompressed")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > max_bytes:
        raise too_large(max_bytes)


def _prefix(headers: dict[bytes, bytes]) -> str:
    """Return the path prefix that a proxy has stripped, or "" if there is none or it is not a plain path."""
    value = headers.get(b"x-forwarded-prefix", b"")
    return value.decode().rstrip("/") if PREFIX.fullmatch(value) else ""


def _refusal(error: str, details: list[dict[str, Any]] | None = None) -> bytes:
    return to_json({"error": error, "details": details or [detail(rule=error)]})


async def _send(send: Send, status: int, content_type: bytes, body: bytes, extra: Headers = ()) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
