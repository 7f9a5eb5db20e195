"""Waiting for the other work of a machine to pause: beside it, a server is measured together with its neighbours."""

from __future__ import annotations

import time

import psutil

LOOK_SECONDS = 0.1
IDLE = 90  # percent of all processors, from which on a machine counts as quiet


class Patience:
    """Seconds that a bench may wait in all."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self) -> None:
        """Wait until the machine is quiet; not at all once the patience is used up."""
        while self.left > 0:
            start = time.monotonic()
            if psutil.cpu_times_percent(LOOK_SECONDS).idle >= IDLE:
                return
            self.left -= time.monotonic() - start
