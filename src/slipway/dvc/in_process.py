"""DVC in this process, for calls that need no process of their own: a start of DVC takes longer than most calls.

A call prints nothing of DVC and asks nothing. Its error is one line, like that of a process; see `slipway.dvc.command`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output
from slipway.dvc import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dvc.repo import Repo

LOGGERS = ("dvc", "dvc_data", "dvc_objects")


class _Reasons(logging.Handler):
    """Collects the errors that DVC logs, because its exceptions often name no cause."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a record as the line that `dvc` prints."""
        cause = f" - {record.exc_info[1]}" if record.exc_info and record.exc_info[1] else ""
        self.lines.append(f"ERROR: {record.getMessage()}{cause}")


@contextmanager
def _opened(*call: str) -> Iterator[Repo]:
    """Open the DVC repository of the current folder. Raises ToolError with the reason when the block fails."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with _collected() as reasons, redirect_stdout(StringIO()), redirect_stderr(StringIO()), Repo() as repo:
            yield repo
    except (DvcException, OSError) as error:
        raise command.failure(call, [*reasons, f"ERROR: {_chain(error)}"]) from None


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Collect what DVC logs, in place of its own handlers, which print it."""
    reasons = _Reasons()
    handlers = {logger: logger.handlers for logger in map(logging.getLogger, LOGGERS)}
    for logger in handlers:
        logger.handlers = [reasons]
    try:
        yield reasons.lines
    finally:
        for logger, own in handlers.items():
            logger.handlers = own


def _chain(error: BaseException) -> str:
    """Return the messages of an error and its causes in one line."""
    lines = " ".join(str(error).splitlines())
    return f"{lines}: {_chain(error.__cause__)}" if error.__cause__ else lines


def cache_folder() -> Path:
    """Return the cache of this repository. Raises ToolError where DVC has no cache."""
    with _opened("cache", "dir") as repo:
        return Path(repo.cache.local_cache_dir)


def fetch(targets: Sequence[str]) -> None:
    """Fetch `targets`, paths of `*.dvc` files, from the default remote to the cache. Raises ToolError."""
    with _opened("fetch", *targets) as repo:
        count = repo.fetch(targets=list(targets))
    output.step(f"{count} objects fetched")


def checkout(targets: Sequence[str], *, force: bool) -> None:
    """Check `targets` out of the cache; with `force`, overwrite changed files. Raises ToolError."""
    with _opened("checkout", *targets) as repo:
        changes = repo.checkout(targets=list(targets), force=force)
    for kind in ("modified", "added", "deleted"):
        for path in changes[kind]:
            output.step(f"{path}: {kind}")
