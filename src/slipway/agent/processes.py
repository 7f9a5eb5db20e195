"""Processes that outlive the agent, identified by a tag in their environment.

A process id may be recycled, and a start time shifts with the clock. Workers inherit the tag of their parent. A process
belongs to an agent if and only if it carries the tag, so no other process is ended and no orphan is missed.

The first check imports psutil, because `slipway status` often makes none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import psutil

TAG_VARIABLE = "SLIPWAY_PROCESS"
TAG_TIMEOUT_SECONDS = 5  # for the tag of a new process to become readable, which takes under a millisecond
STARTING = ""  # in place of a label
START_SECONDS = 0.05  # until the kernel exposes the environment of a process, which takes under a millisecond
NEW_SECONDS = 2  # maximum age of a process that is starting, with a margin for the clock's resolution
_children: list[subprocess.Popen[bytes]] = []  # keeps the handles, so that ended children are reaped


def start(command: Sequence[str], tag: str, log: Path, folder: Path, environment: Mapping[str, str]) -> int:
    """Start `command` in `folder` as the leader of a new session and return its process id.

    Its output is appended to `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**environment, TAG_VARIABLE: tag},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
    deadline = time.monotonic() + TAG_TIMEOUT_SECONDS
    while child.poll() is None and not is_alive(child.pid, tag) and time.monotonic() < deadline:
        time.sleep(0.001)  # the kernel exposes no environment until the process has started
    return child.pid


def tag_children(tag: str) -> None:
    """Tag every process that this one starts, unless it gets a tag of its own."""
    os.environ[TAG_VARIABLE] = tag


def reap() -> None:
    """Reap the children of this process that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def is_alive(pid: int, tag: str) -> bool:
    """Return whether process `pid` exists and carries `tag`."""
    import psutil

    try:
        return _label(psutil.Process(pid), TAG_VARIABLE) == tag
    except psutil.NoSuchProcess:
        return False


def tagged(prefix: str) -> dict[int, str]:
    """Return the tags of this user's processes that begin with `prefix`, by process id."""
    return {process.pid: tag for process, tag in labeled(TAG_VARIABLE).items() if tag.startswith(prefix)}


def labeled(variable: str) -> dict[psutil.Process, str]:
    """Return the value of an environment variable in each process of this user that has it, except this process."""
    import psutil

    labels = {process: _label(process, variable) for process in psutil.process_iter() if process.pid != os.getpid()}
    if starting := [process for process, label in labels.items() if label == STARTING]:
        time.sleep(START_SECONDS)
        labels |= {process: _label(process, variable) for process in starting}
    return {process: label for process, label in labels.items() if label}


def terminate(pids: Iterable[int]) -> None:
    """Send SIGTERM."""
    _send(pids, signal.SIGTERM)


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL."""
    _send(pids, signal.SIGKILL)


def stop_tagged(prefix: str, timeout_seconds: float) -> None:
    """Stop every process whose tag begins with `prefix`: by SIGTERM, then by SIGKILL after `timeout_seconds`."""
    terminate(tagged(prefix))
    deadline = time.monotonic() + timeout_seconds
    while tagged(prefix) and time.monotonic() < deadline:
        reap()
        time.sleep(0.05)
    kill(tagged(prefix))
    while tagged(prefix):
        reap()
        time.sleep(0.02)
    reap()


def kill_tagged(prefix: str) -> None:
    """Kill every process whose tag begins with `prefix`."""
    kill(tagged(prefix))


def _label(process: psutil.Process, variable: str) -> str | None:
    """Return the value of `variable` in a process; STARTING while the kernel does not expose its environment yet."""
    import psutil

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if environment := process.environ():
            return environment.get(variable)
        is_new = abs(time.time() - process.create_time()) < NEW_SECONDS  # a thread of the kernel never has one
    except (psutil.Error, OSError):
        return None
    return STARTING if is_new else None


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
