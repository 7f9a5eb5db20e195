"""Locks between processes: a file that one process holds at a time. The kernel unlocks it when the holder ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, TextIO

from slipway.errors import BusyError

if TYPE_CHECKING:
    from pathlib import Path


class LockedError(BusyError):
    """Another process holds a lock."""

    def __init__(self, path: Path, process: str) -> None:
        super().__init__(f"{path}: locked by process {process or 'unknown'}; wait until it ends")
        self.process = process


def take(path: Path, *, wait: bool = True) -> TextIO:
    """Lock the file `path`, write the id of this process into it, and return it; closing it releases the lock.

    Raises LockedError if another process holds the lock, unless this one may `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            raise LockedError(path, _content(file)) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock, 0 if it has not written it yet; None if no process does."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(_content(file) or 0)
    return None


def _content(file: TextIO) -> str:
    file.seek(0)
    return file.read()
