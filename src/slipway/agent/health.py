"""Health checks of processes: a process that hangs exists, but does not answer."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from slipway.environment import client

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECK_INTERVAL_SECONDS = 1.0


class HealthChecks:
    """Checks processes and counts the consecutive failures of each.

    Failures are counted, not timed, so that a machine or an agent that was suspended causes none.
    """

    def __init__(self, timeout_seconds: float, failures_max: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._failures_max = failures_max
        self._failures: Counter[str] = Counter()
        self._checked = 0.0

    @property
    def hung(self) -> frozenset[str]:
        """Tags of the processes that failed too many checks in a row and must be replaced."""
        return frozenset(tag for tag, failures in self._failures.items() if failures >= self._failures_max)

    def check(self, addresses: Mapping[str, str]) -> None:
        """Request the URL of each process, by tag, if the check is due.

        All requests are concurrent, so that several hanging processes cost one timeout.
        """
        if not addresses or time.monotonic() - self._checked < CHECK_INTERVAL_SECONDS:
            return
        self._checked = time.monotonic()
        with ThreadPoolExecutor(len(addresses)) as pool:
            answers = pool.map(lambda url: client.is_reachable(url, self._timeout_seconds), addresses.values())
            healthy = dict(zip(addresses, answers, strict=True))
        self._failures = Counter({tag: 0 if healthy[tag] else self._failures[tag] + 1 for tag in addresses})
