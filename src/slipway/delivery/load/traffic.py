"""Requests of our own: where clients bring none, and to prove that none fails.

Rows are drawn at random: sent in order, they would fall in step with the front door's turns, and each side of a canary
would always get the same ones.
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 10  # for one answer
CONNECTIONS = 8  # held open; each sends when it is due, and the answer before has come
SYNTHETIC_ID_PREFIX = "slipway:"
"""What the ids of our own requests begin with: monitoring counts them as no traffic."""
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "slipway (synthetic)",
    "X-Request-ID": f"{SYNTHETIC_ID_PREFIX}synthetic",
}
KEPT = 10  # failures that are told


@dataclass
class Answers:
    """What became of the requests."""

    releases: Counter[str] = field(default_factory=Counter)
    """Right answers by the release that gave them."""
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    """The first of them: when, and what."""

    @property
    def total(self) -> int:
        """Requests that have ended."""
        return self.releases.total() + self.failed

    def __str__(self) -> str:
        by = ", ".join(f"{count:,} by {release}" for release, count in sorted(self.releases.items()))
        told = f" ({'; '.join(self.failures)})" if self.failures else ""
        return f"{self.total:,} requests, {self.failed:,} failed{told}: {by or 'no answer'}"


@contextmanager
def flowing(url: str, rows: Sequence[object], rate: float, seed: int) -> Iterator[Answers]:
    """Send rows to `url`, `rate` a second at times of a Poisson process, for as long as the block lasts."""
    answers, done, lock = Answers(), threading.Event(), threading.Lock()
    bodies = [json.dumps(row).encode() for row in rows]

    def send(number: int) -> None:
        draw = random.Random(f"{seed} {number}")  # noqa: S311  a schedule, not a secret
        caller, due = Caller(url), time.monotonic()
        while not done.wait(max(0.0, due - time.monotonic())):
            release, failure = caller.ask(draw.choice(bodies))
            with lock:
                _count(answers, release, failure)
            due = max(due + draw.expovariate(rate / CONNECTIONS), time.monotonic() - 1)  # no burst after a stall
        caller.close()

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _count(answers: Answers, release: str, failure: str) -> None:
    if not failure:
        answers.releases[release] += 1
        return
    answers.failed += 1
    if len(answers.failures) < KEPT:
        answers.failures.append(f"{time.strftime('%H:%M:%S')} {failure}")


class Caller:
    """One connection, opened again after a failure."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=SECONDS)
        self._path = f"{parts.path.rstrip('/')}/predict"

    def ask(self, body: bytes) -> tuple[str, str]:
        """Send one request; returns who answered, and what is wrong with the answer, empty when nothing is."""
        try:
            self._connection.request("POST", self._path, body, HEADERS)
            answer = self._connection.getresponse()
            content = answer.read()
            if answer.status != http.client.OK:
                return "", f"status {answer.status}"
            return json.loads(content)["release"], ""
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            self._connection.close()
            return "", f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
