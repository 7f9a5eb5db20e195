"""Finds that an installed release is no longer what it was.

Every file is looked at each time, by name, size and dates, which costs a millisecond; every byte is read, in the
background, when such a look differs from the one before, and from time to time, because a disk may change what it holds
and say nothing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.delivery import release
from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

Signature = tuple[tuple[str, int, int, int, int], ...]


@dataclass(frozen=True)
class _Seen:
    """What reading every byte has shown."""

    signature: Signature
    time: float
    wrong: str | None


class Watch:
    """Of the installed releases of one environment."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Path, _Seen] = {}
        self._readers: dict[Path, threading.Thread] = {}

    def wrong(self, folder: Path, digest: str) -> str | None:
        """What is wrong with the release in `folder`, as far as it is known by now. It is read again when it is due."""
        if self._is_read(folder):
            return None
        seen, signature = self._seen.get(folder), _signature(folder)
        if seen and seen.signature == signature and time.monotonic() - seen.time < self._seconds:
            return seen.wrong
        reader = threading.Thread(target=self._read, args=(folder, digest), daemon=True)
        self._readers[folder] = reader
        reader.start()
        return None

    def _is_read(self, folder: Path) -> bool:
        reader = self._readers.get(folder)
        return reader is not None and reader.is_alive()

    def _read(self, folder: Path, digest: str) -> None:
        signature, wrong = _signature(folder), None
        try:
            release.verify(folder, digest)
        except (OSError, UserError) as error:
            wrong = str(error)
        self._seen[folder] = _Seen(signature, time.monotonic(), wrong)


def _signature(folder: Path) -> Signature:
    """Name, inode, size and dates of each file; the second date is the system's own and cannot be set back."""
    try:
        return tuple(sorted(_facts(file, folder) for file in folder.rglob("*")))
    except FileNotFoundError:  # somebody removes it just now
        return ()


def _facts(file: Path, folder: Path) -> tuple[str, int, int, int, int]:
    name = file.relative_to(folder).as_posix()
    try:
        found = file.lstat()
    except FileNotFoundError:
        return name, 0, 0, 0, 0
    return name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
