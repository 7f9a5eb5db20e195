"""Errors that the user can fix; the command line prints them as one line, without a traceback."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePath

CONFLICT = "<<<<<<<"
"""First conflict marker that git writes into a file that two branches changed."""


class UserError(Exception):
    """An error that the user can fix.

    The message is one line that names the file, the value and the fix. The command line exits with status 2.
    """


def restore_command(path: PurePath | str) -> str:
    """Return the git command that restores the committed version of `path`, quoted for a message.

    `git checkout FILE` would restore from the index: git refuses that during a conflict, and it has no effect after
    `git add`.
    """
    return f"`git checkout HEAD -- {shlex.quote(str(path))}`"


def unreadable_message(path: PurePath | str, text: str, reason: str) -> str:
    """Return the error message for a tracked file whose content `text` cannot be parsed: the reason and the fix."""
    if CONFLICT in text:
        resolve = f"keep one side of each `{CONFLICT}`, then `git add {path}`"
        return f"{path}: in conflict; {resolve}; or {restore_command(path)}"
    return f"{path}: {reason}; fix it or {restore_command(path)}"


@contextmanager
def reported_by(stage: str) -> Iterator[None]:
    """Exit the process of a stage with the line `stage: message` when the block raises UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(f"{stage}: {error}")
