"""A pipe from the command `bentoml serve` to its workers, and another worker at once when the last one died.

The command holds the end for writing, and never writes. When it closes that, or dies of whatever, each worker reads the
end of the pipe at that moment: no worker outlives its command, and all learn that the service stops, not they alone.

BentoML lets circus look for dead workers every 10 s. The kernel tells at once (SIGCHLD), and circus starts workers when
it is asked to reload (SIGHUP). It would then replace those that live, too, so it is asked only when none does.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil  # which BentoML imports on both sides of the pipe

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "SLIPWAY_LIFELINE"
STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
PAUSE_SECONDS = 5.0  # at least, between two restarts asked for; a worker that cannot start must not use up the machine


def hold() -> None:
    """Call it in the command, before it starts workers."""
    from tornado.ioloop import IOLoop  # circus runs it; a worker has no use for it

    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.environ[VARIABLE] = str(read)
    if threading.current_thread() is threading.main_thread():  # only there can signals be handled
        IOLoop.current().add_callback(_Command(write).watch)


def is_cut() -> bool:
    """Whether the command stops, or is gone; call it in a worker."""
    if VARIABLE not in os.environ:  # a worker that was started by hand
        return False
    return bool(select.select([int(os.environ[VARIABLE])], [], [], 0)[0])


def follow(end: Callable[[], None]) -> None:
    """Call it in a worker, in its loop; calls `end` once, when the command stops or is gone."""
    if VARIABLE not in os.environ:  # a worker that was started by hand
        return
    loop = asyncio.get_running_loop()
    read = int(os.environ[VARIABLE])

    def ended() -> None:
        loop.remove_reader(read)
        end()

    loop.add_reader(read, ended)


class _Command:
    def __init__(self, write: int) -> None:
        self._write = write
        self._stopping = False
        self._restarted = -PAUSE_SECONDS

    def watch(self) -> None:
        """Called by the loop, so after circus has taken its signals: ours come before them."""
        for number in STOP:
            signal.signal(number, self._stop_before(signal.getsignal(number)))
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._look)

    def _stop_before(self, handler: Any) -> Callable[..., None]:
        def stop(number: int, frame: Any) -> None:
            if not self._stopping:
                self._stopping = True
                os.close(self._write)
            handler(number, frame)

        return stop

    def _look(self) -> None:
        if not self._stopping and not _workers():
            pause = self._restarted + PAUSE_SECONDS - time.monotonic()
            asyncio.get_running_loop().call_later(max(0, pause), self._restart)

    def _restart(self) -> None:
        if not self._stopping and not _workers():
            self._restarted = time.monotonic()
            os.kill(os.getpid(), signal.SIGHUP)


def _workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if _lives(child)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
