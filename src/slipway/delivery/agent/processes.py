"""Processes that outlive whoever started them, known by a mark in their environment.

A process id may be recycled and a start time shifts with the clock. The mark is inherited by every worker, so a
process is one of ours exactly when it carries the mark: nothing else is ever ended, and no orphan is missed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MARK = "SLIPWAY_PROCESS"
SECONDS = 5  # for a process to show its mark; it takes under a millisecond
_children: list[subprocess.Popen[bytes]] = []  # kept, so that one that ends is reaped and not a zombie


def start(command: Sequence[str], mark: str, log: Path, folder: Path, environment: Mapping[str, str]) -> int:
    """Start `command` in `folder` as the leader of a new session, its output added to `log`; returns its process id."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
    deadline = time.monotonic() + SECONDS
    while child.poll() is None and not runs(child.pid, mark) and time.monotonic() < deadline:
        time.sleep(0.001)  # a process shows no environment at all until the kernel has finished its start
    return child.pid


def carry(mark: str) -> None:
    """Let what this process starts be known by `mark`, whatever does not get one of its own."""
    os.environ[MARK] = mark


def reap() -> None:
    """Let ended children of this process go."""
    _children[:] = [child for child in _children if child.poll() is None]


def runs(pid: int, mark: str) -> bool:
    """Whether process `pid` is there and carries `mark`."""
    try:
        return _mark(psutil.Process(pid)) == mark
    except psutil.NoSuchProcess:
        return False


def marked(prefix: str) -> dict[int, str]:
    """Mark of each running process of this user whose mark begins with `prefix`, by process id."""
    marks = {process.pid: _mark(process) for process in psutil.process_iter() if process.pid != os.getpid()}
    return {pid: mark for pid, mark in marks.items() if mark is not None and mark.startswith(prefix)}


def ask_to_end(pids: Iterable[int]) -> None:
    """Send SIGTERM."""
    _send(pids, signal.SIGTERM)


def force(pids: Iterable[int]) -> None:
    """Send SIGKILL."""
    _send(pids, signal.SIGKILL)


def end(prefix: str, patience: float) -> None:
    """End every process whose mark begins with `prefix`: politely, and after `patience` seconds by force."""
    ask_to_end(marked(prefix))
    deadline = time.monotonic() + patience
    while marked(prefix) and time.monotonic() < deadline:
        reap()
        time.sleep(0.05)
    force(marked(prefix))
    while marked(prefix):
        reap()
        time.sleep(0.02)
    reap()


def kill(prefix: str) -> None:
    """End every process whose mark begins with `prefix` by force."""
    force(marked(prefix))


def _mark(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
