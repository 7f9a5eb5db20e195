"""The lock of an environment, which allows one agent at a time."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from slipway.errors import BusyError
from slipway.files import locks

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
        self.release()
        try:
            self._file = locks.take(place.lock, wait=False)
        except locks.LockedError:
            raise BusyError(
                f"{place.lock}: an agent of {place.environment} is already running;"
                f" stop it with `slipway stop --environment {place.environment}`"
            ) from None

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
    return locks.holder(place.lock) is not None
