"""A disk that is full or may not be written to, told in one line: which file, and what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOM = "free some room there, then run it again"
RIGHTS = "let this user write there, then run it again"
MENDS = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "raise the limit that this shell or container sets (`ulimit -f`), then run it again",
    errno.EROFS: "it is mounted read-only; mount it writable, or move to a place that is, then run it again",
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
}
SAID = re.compile(r"\[Errno (\d+)\] (.*)")
PATH = re.compile(r"'(/[^']*|[^' ]*/[^']*)'")


def told(error: OSError) -> str | None:
    """One line for an error that is the disk's, and None for any other."""
    if isinstance(error, shutil.Error):  # of many files; the first will do
        return found(str(why) for _, _, why in error.args[0]) if isinstance(error.args[0], list) else None
    path = error.filename2 or error.filename
    return _line(error.errno, None if path is None else os.fsdecode(path)) if error.errno in MENDS else None


def found(lines: Iterable[str]) -> str | None:
    """One line for the first of the disk's errors in what a program printed, and None when it printed none."""
    said = [(int(match[1]), PATH.findall(match[2])) for line in lines if (match := SAID.search(line))]
    ours = [(code, paths) for code, paths in said if code in MENDS]
    if not ours:
        return None
    code, paths = next((one for one in ours if one[1]), ours[0])
    return _line(code, paths[-1] if paths else None)


def _line(code: int, path: str | None) -> str:
    return f"{path or _fullest()}: {os.strerror(code)}; {MENDS[code]}"


def _fullest() -> str:
    """The system does not say which file could not be written: of the places that we write to, the one with least."""
    return min((str(Path.cwd()), tempfile.gettempdir()), key=lambda place: shutil.disk_usage(place).free)
