"""Compares what a canary and its baseline answer to copies of real requests; no client sees either.

The front door copies requests to this process and drops its answers, so the comparison is made here: each copy goes to
both through the inside of the front door, which counts and times them as any other request. `GET /counts` tells how far
apart the answers were.
"""

from __future__ import annotations

import http.client
import json
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from slipway.delivery.load.traffic import SYNTHETIC_ID_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 10  # for one answer
AT_ONCE = 16  # copies in work; more are left out rather than queued
Number = int | float


def command(port: int, inside: int, names: Mapping[str, str]) -> list[str]:
    """Command line that compares at `port` what the front door's services `names` answer."""
    return [
        sys.executable,
        "-m",
        "slipway.delivery.agent.shadow",
        str(port),
        str(inside),
        names["canary"],
        names["baseline"],
    ]


def distance(ours: Any, theirs: Any) -> float | None:
    """Largest difference of any number of two answers; None when they are not of one form."""
    if isinstance(ours, Number) and isinstance(theirs, Number):
        return abs(ours - theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return _largest([distance(ours[name], theirs[name]) for name in ours])
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return _largest([distance(*pair) for pair in zip(ours, theirs, strict=True)])
    return None


def _largest(distances: list[float | None]) -> float | None:
    return None if None in distances else max(distances, default=0.0)


class Comparer:
    """Sends copies on, and counts."""

    def __init__(self, inside: int, names: tuple[str, str]) -> None:
        self._inside, self._names = inside, names
        self._pool = ThreadPoolExecutor(2 * AT_ONCE)
        self._lock = threading.Lock()
        self._room = threading.Semaphore(AT_ONCE)
        self.counts = {"compared": 0, "equal": 0, "unlike": 0, "left_out": 0, "sum": 0.0, "largest": 0.0}

    def compare(self, path: str, content_type: str, body: bytes) -> None:
        """Ask both, at the same time."""
        if not self._room.acquire(blocking=False):
            with self._lock:
                self.counts["left_out"] += 1
            return
        try:
            asked = [self._pool.submit(self._ask, name, path, content_type, body) for name in self._names]
            self._count(distance(*(one.result() for one in asked)))
        finally:
            self._room.release()

    def _ask(self, name: str, path: str, content_type: str, body: bytes) -> Any:
        """Predictions, or text that says what went wrong, which is at no distance from anything."""
        connection = http.client.HTTPConnection("127.0.0.1", self._inside, timeout=SECONDS)
        try:
            headers = {"Host": name, "Content-Type": content_type, "X-Request-ID": f"{SYNTHETIC_ID_PREFIX}copy"}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return json.loads(answer.read())["predictions"] if answer.status == http.client.OK else str(answer.status)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            return type(error).__name__
        finally:
            connection.close()

    def _count(self, apart: float | None) -> None:
        with self._lock:
            self.counts["compared"] += 1
            if apart is None or not math.isfinite(apart):
                self.counts["unlike"] += 1
            else:
                self.counts["equal"] += apart == 0
                self.counts["sum"] += apart
                self.counts["largest"] = max(self.counts["largest"], apart)


def serve(port: int, comparer: Comparer) -> None:
    """Serve on 127.0.0.1 until the process is ended."""

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
            """Say nothing for each request."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Comparer(int(sys.argv[2]), (sys.argv[3], sys.argv[4])))
