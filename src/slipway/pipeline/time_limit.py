"""Time limit on work in this process, such as the conversion of an estimator."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REPEAT_SECONDS = 1.0  # interval of interruptions, because a bare `except` may swallow the first


class OverTimeError(BaseException):
    """The work exceeded its time limit. Not an Exception, so that a library which catches these cannot continue."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OverTimeError in the block of the `with` statement after `seconds`.

    It interrupts Python code, but not a single call into a library. It works in the main thread only, where stages run;
    other threads have no limit. A timer that was set before continues afterwards.
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
