"""Messages for disk errors, such as a full or read-only disk: one line with the file and the fix."""

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

FREE_SPACE = "free some space there, then run it again"
ALLOW_WRITING = "give this user write permission there, then run it again"
REMEDIES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: "raise the file size limit of this shell or container (`ulimit -f`), then run it again",
    errno.EROFS: "it is mounted read-only; mount it writable or use another path, then run it again",
    errno.EACCES: ALLOW_WRITING,
    errno.EPERM: ALLOW_WRITING,
}
"""Advice on each disk error, by error number."""
ERRNO_TEXT = re.compile(r"\[Errno (\d+)\] (.*)")
QUOTED_PATH = re.compile(r"'(/[^']*|[^' ]*/[^']*)'")


def explain(error: OSError) -> str | None:
    """Return a one-line message for a disk error; None for any other error."""
    if isinstance(error, shutil.Error):  # about several files; the first is enough
        failures = error.args[0]
        return explain_output(str(reason) for _, _, reason in failures) if isinstance(failures, list) else None
    path = error.filename2 or error.filename
    return _message(error.errno, None if path is None else os.fsdecode(path)) if error.errno in REMEDIES else None


def explain_output(lines: Iterable[str]) -> str | None:
    """Return a one-line message for the first disk error in a program's output; None when there is none."""
    errors = [(int(match[1]), QUOTED_PATH.findall(match[2])) for line in lines if (match := ERRNO_TEXT.search(line))]
    disk_errors = [(code, paths) for code, paths in errors if code in REMEDIES]
    if not disk_errors:
        return None
    code, paths = next((error for error in disk_errors if error[1]), disk_errors[0])
    return _message(code, paths[-1] if paths else None)


def _message(code: int, path: str | None) -> str:
    return f"{path or _fullest_folder()}: {os.strerror(code)}; {REMEDIES[code]}"


def _fullest_folder() -> str:
    """Return the folder with the least free space among those that Slipway writes to, when the error names no file."""
    return min((str(Path.cwd()), tempfile.gettempdir()), key=lambda folder: shutil.disk_usage(folder).free)
