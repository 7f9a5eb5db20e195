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
    """An error that the user can fix: the base of the classes below, never raised itself.

    The message is one line that names the file, the value and the fix. The command line exits with `exit_code`, and
    `--json` names the class. docs/operations.md lists every class.
    """

    exit_code = 2
    """2, because a command exits with 1 for a verdict that is not a pass."""


class ArgumentError(UserError):
    """An option or argument of a command is invalid, or contradicts another one."""


class SettingError(UserError):
    """A value in params.yaml, in an environment variable or in another setting is missing or invalid."""


class MissingFileError(UserError):
    """A file or folder does not exist; the message names the command that writes it."""


class UnreadableFileError(UserError):
    """A file exists and cannot be read: wrong syntax, encoding or form, or no permission."""


class DataError(UserError):
    """Rows, columns or the model of the problem break a rule."""


class DigestMismatchError(UserError):
    """Content differs from the digest, or from the list of files, that was recorded for it."""


class RejectedError(UserError):
    """Content is not trusted: a signature, an attestation, a link of the provenance, or a document of a third party."""


class NoReleaseError(UserError):
    """A release does not exist, or an environment desires none."""


class ReleaseFailedError(UserError):
    """A release does not start, its canary was rolled back, or an environment refused it."""


class RemoteMovedError(UserError):
    """Another user or process changed the remote meanwhile; run the command again."""


class WorkTreeError(UserError):
    """The work tree is not in the state that a command needs: uncommitted changes, conflicts, another folder."""


class MissingToolError(UserError):
    """A program or package is not installed."""


class ToolError(UserError):
    """Another program or service failed; the message quotes its reason."""


class GateError(UserError):
    """A gate, a check or a required job did not pass."""


class DiskError(UserError):
    """The disk is full or read-only, or its permissions forbid the write."""


class NotReadyError(UserError):
    """Something did not reach its state in time."""


class BusyError(UserError):
    """Another process holds a lock, a port or a file."""


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
