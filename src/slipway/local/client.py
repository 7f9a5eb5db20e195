"""A client of an environment, as any other: real rows through the front door."""

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

TIMEOUT = 10  # seconds
PAUSE = 0.1  # seconds between two requests of the client in the background


@dataclass
class Answers:
    """What a number of requests got."""

    releases: Counter[str] = field(default_factory=Counter)
    """How many requests each release answered."""
    failures: list[str] = field(default_factory=list)
    last: Any = None
    """The newest prediction."""

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        return {"releases": dict(self.releases), "failures": self.failures}


def release(url: str) -> dict[str, Any]:
    """What `GET /release` says: version, commit, hashes of data and model."""
    with urllib.request.urlopen(f"{url}/release", timeout=TIMEOUT) as response:  # noqa: S310  an agent's own address
        return json.load(response)


def predict(url: str, rows: Sequence[dict[str, Any]], answers: Answers) -> None:
    """Send each row by itself, and note who answered what."""
    for row in rows:
        request = urllib.request.Request(  # noqa: S310  an agent's own address
            f"{url}/predict", json.dumps(row).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                answer = json.load(response)
        except (OSError, ValueError) as error:
            answers.failures.append(f"{type(error).__name__}: {error}")
            continue
        answers.releases[answer["release"]] += 1
        answers.last = answer["predictions"][0]


@contextmanager
def in_background(url: str, rows: Sequence[dict[str, Any]]) -> Iterator[Answers]:
    """Keep asking, ten times a second, for as long as the block lasts."""
    answers, done = Answers(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            for row in rows:
                if done.is_set():
                    break
                predict(url, [row], answers)
                time.sleep(PAUSE)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()
