"""Wait for an idle machine, because other load would distort the measurement."""

from __future__ import annotations

import time

import psutil

SAMPLE_SECONDS = 0.1
IDLE_MIN_PERCENT = 90  # of all processors, for a machine that counts as idle


class IdleWait:
    """Waits for an idle machine, with a limit on the total time."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self) -> None:
        """Wait until the machine is idle; return immediately once the total time is used up."""
        while self.left > 0:
            start = time.monotonic()
            if psutil.cpu_times_percent(SAMPLE_SECONDS).idle >= IDLE_MIN_PERCENT:
                return
            self.left -= time.monotonic() - start
