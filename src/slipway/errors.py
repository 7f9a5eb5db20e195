"""The one error that a person sees without a traceback."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePath

CONFLICT = "<<<<<<<"
"""Begins what git writes into a file that two branches changed."""


class UserError(Exception):
    """Something the user can mend. The message is one line: the file, the value, the mend. The CLI exits with 2."""


def restore(path: PurePath | str) -> str:
    """Return the command that gives a file back as it was committed, and that git accepts in every state of it.

    `git checkout FILE` takes the file from the index: refused during a conflict, without effect after `git add`.
    """
    return f"`git checkout HEAD -- {shlex.quote(str(path))}`"


def unreadable(path: PurePath | str, text: str, reason: str) -> str:
    """Return the message on a file of git whose content `text` cannot be read: the reason, and the remedy."""
    if CONFLICT in text:
        return f"{path}: in conflict; keep one side of each `{CONFLICT}`, then `git add {path}`; or {restore(path)}"
    return f"{path}: {reason}; fix it or {restore(path)}"


@contextmanager
def reported_by(stage: str) -> Iterator[None]:
    """End the process of a stage with one line, `stage: message`, where the block raises UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(f"{stage}: {error}")
