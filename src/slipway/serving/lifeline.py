"""Pipes between the command `bentoml serve` and its workers, and immediate restart after the last worker died.

The command holds the write end and never writes. When the command closes it or dies, each worker reads end-of-file
immediately. No worker therefore outlives its command, and all workers learn that the service is stopping.

BentoML makes circus check for dead workers every 10 s. The kernel reports them immediately with SIGCHLD, and circus
starts workers when it reloads (SIGHUP). A reload also replaces living workers, so it is requested only if there are
none.

A worker writes to a second pipe when it is ready. The command ends if all workers died before one was, because the next
would die as well: circus would restart them without a word, and every client would wait for its timeout.

circus drops a request to stop while it executes another command, such as that reload (circus.util.synchronized). The
command therefore repeats the request until circus stops.
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

PIPE_VARIABLE = "SLIPWAY_LIFELINE"
READY_VARIABLE = "SLIPWAY_WORKER_READY"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
RESTART_INTERVAL_SECONDS = 5.0  # between two restarts, so that a worker that cannot start does not load the machine
STOP_INTERVAL_SECONDS = 0.2  # between two requests to stop


def hold() -> None:
    """Open the pipes. Call this in the command before it starts workers."""
    from tornado.ioloop import IOLoop  # circus runs it; workers do not need it

    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.environ[PIPE_VARIABLE] = str(read)
    ready, report = os.pipe()
    os.set_inheritable(report, True)
    os.environ[READY_VARIABLE] = str(report)
    if threading.current_thread() is threading.main_thread():  # signals can be handled only there
        IOLoop.current().add_callback(_Command(write, ready).watch)


def is_cut() -> bool:
    """Return whether the command is stopping or dead. Call this in a worker."""
    if PIPE_VARIABLE not in os.environ:  # a worker that was started manually
        return False
    return bool(select.select([int(os.environ[PIPE_VARIABLE])], [], [], 0)[0])


def report_ready() -> None:
    """Report that this worker is ready. Call this in a worker, once."""
    if READY_VARIABLE in os.environ:
        os.write(int(os.environ[READY_VARIABLE]), b".")


def follow(end: Callable[[], None]) -> None:
    """Call `end` once when the command is stopping or dead. Call this in the event loop of a worker."""
    if PIPE_VARIABLE not in os.environ:  # a worker that was started manually
        return
    loop = asyncio.get_running_loop()
    read = int(os.environ[PIPE_VARIABLE])

    def ended() -> None:
        loop.remove_reader(read)
        end()

    loop.add_reader(read, ended)


class _Command:
    def __init__(self, write: int, ready: int) -> None:
        self._write = write
        self._ready = ready
        self._stopping = False
        self._restarted = -RESTART_INTERVAL_SECONDS

    def watch(self) -> None:
        """Install the signal handlers. The loop calls this after circus has installed its own, which ours call."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop_before(signal.getsignal(number), loop))
        loop.add_signal_handler(signal.SIGCHLD, self._check_workers)

    def _stop_before(self, handler: Any, loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
        def request(number: int) -> None:
            handler(number, None)
            loop.call_later(STOP_INTERVAL_SECONDS, request, number)  # until circus stops the loop

        def stop(number: int, _: Any) -> None:
            if not self._stopping:
                self._stopping = True
                os.close(self._write)
                loop.call_soon_threadsafe(request, number)

        return stop

    def _check_workers(self) -> None:
        children = psutil.Process().children()
        if self._stopping or any(map(_is_alive, children)):
            return
        if children and not self._was_ready():  # circus leaves dead workers as zombies
            os._exit(1)  # the log ends with the reason of the worker; nothing is left to stop
        pause = self._restarted + RESTART_INTERVAL_SECONDS - time.monotonic()
        asyncio.get_running_loop().call_later(max(0, pause), self._restart)

    def _was_ready(self) -> bool:
        """Return whether a worker has been ready."""
        return bool(select.select([self._ready], [], [], 0)[0])

    def _restart(self) -> None:
        if not self._stopping and not any(map(_is_alive, psutil.Process().children())):
            self._restarted = time.monotonic()
            os.kill(os.getpid(), signal.SIGHUP)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
