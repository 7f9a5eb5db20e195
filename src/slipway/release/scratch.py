"""Temporary folders that the next process removes when their owner was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch(work: str) -> Iterator[Path]:
    """Yield a new locked folder for `work` in the system's temporary folder, and remove it after the block."""
    prefix = f"slipway-{work}-"
    for orphan in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _reap(orphan)
    folder, lock = _make(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        if (lock := _hold(folder)) is not None:  # None when another process reaped it in between
            return folder, lock


def _reap(folder: Path) -> None:
    """Remove `folder`, unless its owner is alive or it belongs to another user."""
    if (lock := _hold(folder)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _hold(folder: Path) -> int | None:
    """Lock `folder` and return its descriptor; None when it is locked. The kernel unlocks it when the owner dies."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(folder.stat(), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)
    return None
