"""Comparison of a canary with its baseline on copies of real requests. Clients receive the answers of neither.

The gateway mirrors requests to this process and drops its responses, so the comparison is made here. Each copy goes to
both services through the internal port of the gateway, which counts and times it like any other request. `GET /counts`
returns the differences between the answers.
"""

from __future__ import annotations

import http.client
import json
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from slipway.agent.loopback_server import LoopbackServer
from slipway.loadtest.traffic import SYNTHETIC_ID_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_TIMEOUT_SECONDS = 10
COPIES_MAX = 16  # concurrent ones; more are dropped, because a queue would grow without limit
Number = int | float


def command(port: int, inside: int, names: Mapping[str, str]) -> list[str]:
    """Return the command line of a comparison at `port`.

    `names` are the gateway's services by side, which are reached at its internal port `inside`.
    """
    return [
        sys.executable,
        "-m",
        "slipway.agent.shadow",
        str(port),
        str(inside),
        names["canary"],
        names["baseline"],
    ]


def distance(ours: Any, theirs: Any) -> float | None:
    """Return the largest absolute difference of the numbers in two answers, or None if their structures differ."""
    if isinstance(ours, Number) and isinstance(theirs, Number):
        return abs(ours - theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return _max([distance(ours[name], theirs[name]) for name in ours])
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return _max([distance(*pair) for pair in zip(ours, theirs, strict=True)])
    return None


def _max(distances: list[float | None]) -> float | None:
    numbers = [number for number in distances if number is not None]
    return max(numbers, default=0.0) if len(numbers) == len(distances) else None


class Comparer:
    """Forwards copies to both sides and counts the differences."""

    def __init__(self, inside: int, names: tuple[str, str]) -> None:
        self._inside, self._names = inside, names
        self._pool = ThreadPoolExecutor(2 * COPIES_MAX)
        self._lock = threading.Lock()
        self._quota = threading.Semaphore(COPIES_MAX)
        self._unrouted: tuple[str, ...] = names
        self.counts = {"compared": 0, "equal": 0, "unlike": 0, "left_out": 0, "sum": 0.0, "largest": 0.0}

    def compare(self, path: str, content_type: str, body: bytes) -> None:
        """Send a copy to both sides concurrently, and count the difference of the answers."""
        if not self._quota.acquire(blocking=False):
            self._leave_out()
            return
        try:
            if not self._is_routed():
                self._leave_out()
                return
            futures = [self._pool.submit(self._request, name, path, content_type, body) for name in self._names]
            self._count(distance(*(future.result() for future in futures)))
        finally:
            self._quota.release()

    def _leave_out(self) -> None:
        with self._lock:
            self.counts["left_out"] += 1

    def _is_routed(self) -> bool:
        """Return whether both sides have a route. The gateway may mirror requests a moment before it has these."""
        self._unrouted = tuple(name for name in self._unrouted if not self._has_route(name))
        return not self._unrouted

    def _has_route(self, name: str) -> bool:
        try:
            return self._answer(name, "GET", "/livez")[0] != http.client.NOT_FOUND
        except (OSError, http.client.HTTPException):
            return True  # no answer is a difference

    def _request(self, name: str, path: str, content_type: str, body: bytes) -> Any:
        """Return the predictions, or an error as text, which has no distance from anything."""
        headers = {"Content-Type": content_type, "X-Request-ID": f"{SYNTHETIC_ID_PREFIX}copy"}
        try:
            status, content = self._answer(name, "POST", path, body, headers)
            return json.loads(content)["predictions"] if status == http.client.OK else str(status)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            return type(error).__name__

    def _answer(
        self, name: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and content of the answer of a side, through the gateway. Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self._inside, timeout=ANSWER_TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Host": name, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _count(self, difference: float | None) -> None:
        with self._lock:
            self.counts["compared"] += 1
            if difference is None or not math.isfinite(difference):
                self.counts["unlike"] += 1
            else:
                self.counts["equal"] += difference == 0
                self.counts["sum"] += difference
                self.counts["largest"] = max(self.counts["largest"], difference)


def serve(port: int, comparer: Comparer) -> None:
    """Serve on 127.0.0.1 until the process is stopped."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(json.dumps(comparer.counts).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            comparer.compare(self.path, self.headers.get("content-type", ""), body)
            self._answer(b"{}")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    LoopbackServer(port, Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Comparer(int(sys.argv[2]), (sys.argv[3], sys.argv[4])))
