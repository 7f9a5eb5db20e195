"""Whether what runs also answers: a process that hangs is there, and helps nobody."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from slipway.delivery import clients

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_SECONDS = 1.0  # between the beginnings of two checks


class Health:
    """Checks processes, and counts how often in a row each did not answer.

    Counted and not timed: while this machine sleeps, or the agent does, nobody misses a check.
    """

    def __init__(self, seconds: float, failures: int) -> None:
        self._seconds = seconds
        self._failures = failures
        self._missed: Counter[str] = Counter()
        self._checked = 0.0

    @property
    def hung(self) -> frozenset[str]:
        """Marks of those that have missed so many checks that they must be replaced."""
        return frozenset(mark for mark, missed in self._missed.items() if missed >= self._failures)

    def check(self, addresses: Mapping[str, str]) -> None:
        """Ask each process, by its mark, at its address; all at the same time, so that one that hangs costs little."""
        if not addresses or time.monotonic() - self._checked < EVERY_SECONDS:
            return
        self._checked = time.monotonic()
        with ThreadPoolExecutor(len(addresses)) as pool:
            answers = pool.map(lambda url: clients.is_reachable(url, self._seconds), addresses.values())
            well = dict(zip(addresses, answers, strict=True))
        self._missed = Counter({mark: 0 if well[mark] else self._missed[mark] + 1 for mark in addresses})
