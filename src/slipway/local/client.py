"""A client of an environment that sends real rows through its gateway."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMEOUT_SECONDS = 10
PAUSE_SECONDS = 0.1  # between two requests of the background client


@dataclass
class Answers:
    """The results of a sequence of requests."""

    releases: Counter[str] = field(default_factory=Counter)
    """Number of requests that each release answered."""
    failures: list[str] = field(default_factory=list)
    """Error of each failed request."""
    last: Any = None
    """The newest prediction."""

    def as_json(self) -> dict[str, Any]:
        """Return the counts and failures for the demo's summary."""
        return {"releases": dict(self.releases), "failures": self.failures}


def release(url: str) -> dict[str, Any]:
    """Return the response of `GET /release`: version, commit, hashes of data and model."""
    with urllib.request.urlopen(f"{url}/release", timeout=TIMEOUT_SECONDS) as response:  # noqa: S310  an agent's own address
        content: dict[str, Any] = json.load(response)
    return content


def predict(url: str, rows: Sequence[dict[str, Any]], answers: Answers) -> None:
    """Send one request per row, and record results in `answers`."""
    for row in rows:
        request = urllib.request.Request(  # noqa: S310  an agent's own address
            f"{url}/predict", json.dumps(row).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                answer = json.load(response)
        except (OSError, ValueError) as error:
            answers.failures.append(f"{type(error).__name__}: {error}")
            continue
        answers.releases[answer["release"]] += 1
        answers.last = answer["predictions"][0]


@contextmanager
def in_background(url: str, rows: Sequence[dict[str, Any]]) -> Iterator[Answers]:
    """Send about ten requests per second in a background thread until the block ends."""
    answers, done = Answers(), threading.Event()

    def send() -> None:
        while not done.is_set():
            for row in rows:
                if done.is_set():
                    break
                predict(url, [row], answers)
                time.sleep(PAUSE_SECONDS)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()
