"""The lock of an environment, which allows one agent at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.environment.place import Place


class Lock:
    """The lock of an environment; its file contains the process id of the holder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file: TextIO | None = None

    def take(self) -> None:
        """Acquire the lock. Raises UserError when another agent holds it."""
        place = self._place
        place.root.mkdir(parents=True, exist_ok=True)
        self.release()
        self._file = place.lock.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise UserError(
                f"{place.lock}: an agent of {place.environment} is already running;"
                f" stop it with `slipway stop --environment {place.environment}`"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def keep(self) -> None:
        """Acquire the lock again if its file was removed. Raises UserError when another agent acquired it first."""
        with suppress(FileNotFoundError):
            if self._file and os.path.samestat(self._place.lock.stat(), os.fstat(self._file.fileno())):
                return
        self.take()

    def release(self) -> None:
        """Release the lock if it is held."""
        if self._file:
            self._file.close()
            self._file = None


@contextmanager
def locked(place: Place) -> Iterator[Lock]:
    """Hold the lock of an environment during the block. Raises UserError when another agent holds it."""
    lock = Lock(place)
    lock.take()
    try:
        yield lock
    finally:
        lock.release()


def is_running(place: Place) -> bool:
    """Return whether an agent holds the lock of the environment."""
    if not place.lock.exists():
        return False
    with place.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
