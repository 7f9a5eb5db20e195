"""A time limit on work in this process that nothing else ends, such as the conversion of an estimator."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REPEAT_SECONDS = 1.0  # between two interruptions, as a bare `except` may swallow the first


class OverTimeError(BaseException):
    """The work took longer than it was granted. No Exception, so that a library which catches those does not go on."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OverTimeError in the work of the `with` statement once `seconds` are over.

    Interrupts Python code, not a single call into a library. Holds in the main thread alone, which is where stages
    run; elsewhere there is no limit. A timer that was set before goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise OverTimeError(f"took longer than {seconds:g} s")

    start, handler = time.monotonic(), signal.signal(signal.SIGALRM, interrupt)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if remaining:
            left = remaining - (time.monotonic() - start)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-3), interval)
