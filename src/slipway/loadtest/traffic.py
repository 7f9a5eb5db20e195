"""Synthetic traffic: requests for environments without enough clients, and for drills in which none may fail.

Rows are drawn at random. In a fixed order they could synchronize with the gateway's round robin, and each side of a
canary would always receive the same rows.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slipway.schema.bounds import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMEOUT_SECONDS = 10  # for one response
CONNECTIONS = 8  # kept open; each sends a request when it is due and the previous response has arrived
SYNTHETIC_ID_PREFIX = "slipway:"
"""Prefix of the ids of synthetic requests, which monitoring excludes."""
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "slipway (synthetic)",
    "X-Request-ID": f"{SYNTHETIC_ID_PREFIX}synthetic",
}
FAILURES_MAX = 10  # failures that are listed


class ResponseCounts(Evidence):
    """Evidence about synthetic requests: how many ended, and how many of them failed."""

    requests: int
    failed: int
    failures: list[str]
    """The first failures, each with its time and reason."""


@dataclass
class Responses:
    """Counts of the responses to synthetic requests."""

    releases: Counter[str] = field(default_factory=Counter)
    """Successful responses by release."""
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    """The first failures, each with its time and reason."""

    @property
    def total(self) -> int:
        """Return the number of completed requests."""
        return self.releases.total() + self.failed

    def counts(self) -> ResponseCounts:
        """Return the counts as evidence."""
        return ResponseCounts(requests=self.total, failed=self.failed, failures=list(self.failures))

    def __str__(self) -> str:
        by_release = ", ".join(f"{count:,} by {release}" for release, count in sorted(self.releases.items()))
        failures = f" ({'; '.join(self.failures)})" if self.failures else ""
        return f"{self.total:,} requests, {self.failed:,} failed{failures}: {by_release or 'no response'}"


@contextmanager
def sending(url: str, rows: Sequence[object], rate: float, seed: int) -> Iterator[Responses]:
    """Send `rows` to `url` while the block runs, `rate` requests per second as a Poisson process."""
    responses, done, lock = Responses(), threading.Event(), threading.Lock()
    bodies = [json.dumps(row).encode() for row in rows]

    def send(number: int) -> None:
        draw = random.Random(f"{seed} {number}")  # noqa: S311  a schedule, not a secret
        client, due = Client(url), time.monotonic()
        while not done.wait(max(0.0, due - time.monotonic())):
            release, failure = client.predict(draw.choice(bodies))
            with lock:
                _count(responses, release, failure)
            due = max(due + draw.expovariate(rate / CONNECTIONS), time.monotonic() - 1)  # no burst after a stall
        client.close()

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield responses
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _count(responses: Responses, release: str, failure: str) -> None:
    if not failure:
        responses.releases[release] += 1
        return
    responses.failed += 1
    if len(responses.failures) < FAILURES_MAX:
        responses.failures.append(f"{time.strftime('%H:%M:%S')} {failure}")


class Client:
    """A connection to a service, reopened after a failure."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        self._path = f"{parts.path.rstrip('/')}/predict"

    def predict(self, body: bytes) -> tuple[str, str]:
        """Send one request and return the release that responded and the failure; one of them is empty."""
        try:
            self._connection.request("POST", self._path, body, HEADERS)
            response = self._connection.getresponse()
            content = response.read()
            if response.status != http.client.OK:
                return "", f"status {response.status}"
            return str(json.loads(content)["release"]), ""
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            self._connection.close()
            return "", f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
