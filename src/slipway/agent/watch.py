"""Detection of changes in the files of installed releases.

Each pass compares the names, sizes and dates of all files, which takes about a millisecond. A background thread hashes
every byte after such a change, and also periodically, because a disk may corrupt data silently.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.release import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


@dataclass(frozen=True)
class _Verification:
    """Result of hashing every file."""

    fingerprint: Fingerprint
    time: float
    fault: str | None


class Watch:
    """Detects changed files in the installed releases of one environment, and hashes them every `rehash_seconds`."""

    def __init__(self, rehash_seconds: float) -> None:
        self._rehash_seconds = rehash_seconds
        self._verifications: dict[Path, _Verification] = {}
        self._threads: dict[Path, threading.Thread] = {}

    def fault(self, folder: Path, digest: str) -> str | None:
        """Return the fault of the release in `folder` that the last verification reported, or None.

        Start a verification in the background if one is due.
        """
        if self._is_verifying(folder):
            return None
        last, fingerprint = self._verifications.get(folder), _fingerprint(folder)
        if last and last.fingerprint == fingerprint and time.monotonic() - last.time < self._rehash_seconds:
            return last.fault
        thread = threading.Thread(target=self._verify, args=(folder, digest), daemon=True)
        self._threads[folder] = thread
        thread.start()
        return None

    def _is_verifying(self, folder: Path) -> bool:
        thread = self._threads.get(folder)
        return thread is not None and thread.is_alive()

    def _verify(self, folder: Path, digest: str) -> None:
        fingerprint, fault = _fingerprint(folder), None
        try:
            manifest.verify(folder, digest)
        except (OSError, UserError) as error:
            fault = str(error)
        self._verifications[folder] = _Verification(fingerprint, time.monotonic(), fault)


def _fingerprint(folder: Path) -> Fingerprint:
    """Return name, inode, size and dates of each file; no program can set the change time back."""
    try:
        return tuple(sorted(_facts(str(folder))))
    except OSError:  # the folder is being removed, or cannot be read; a verification reports the reason
        return ()


def _facts(folder: str) -> Iterator[tuple[str, int, int, int, int]]:
    with os.scandir(folder) as entries:  # a tenth of the time of Path.rglob
        for entry in entries:
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                yield entry.path, 0, 0, 0, 0
                continue
            yield entry.path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
            if entry.is_dir(follow_symlinks=False):
                yield from _facts(entry.path)
