"""Folders for the time of one piece of work; the next one removes what killed ones have left."""

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
    """A new folder for `work` in the system's temporary one, held for as long as the block lasts."""
    prefix = f"slipway-{work}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _sweep(left)
    folder, held = _make(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _make(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        if (held := _hold(folder)) is not None:  # else another's sweep came between
            return folder, held


def _sweep(folder: Path) -> None:
    """Remove `folder`, unless whoever made it is at work, or is somebody else."""
    if (held := _hold(folder)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _hold(folder: Path) -> int | None:
    """The lock of `folder`, which the kernel opens when its holder is killed; None when it is not to be had."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(folder.stat(), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)
    return None
