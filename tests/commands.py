"""Every command of the command line, and a parser that accepts the lines a documentation page may show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from typer.main import get_command

from slipway.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

SLIPWAY: click.Group = get_command(app)
GLOBAL_OPTIONS = {"--json", "--quiet"}
PLACEHOLDERS = {"…": "1", "...": "1"}
"""Value to parse in place of each placeholder of the documentation."""


def listed(group: click.Group = SLIPWAY, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield the full name, such as `release build`, and the object of every command."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from listed(command, (*prefix, name))
        if _runs_by_itself(command):
            yield " ".join((*prefix, name)), command


def _runs_by_itself(command: click.Command) -> bool:
    """A group may also be a command, such as `history` next to `history diff`."""
    return not hasattr(command, "commands") or command.invoke_without_command


def parse(line: str) -> str:
    """Return the name of the command that `line` calls. Raises click's UsageError, or LookupError if it calls none.

    Ignores what precedes `slipway` (variables, `uv run`) and what follows `#`, `|` or `>`.
    """
    words = [Path(word).name if word.endswith("/slipway") else word for word in shlex.split(line, comments=True)]
    if "slipway" not in words:
        raise LookupError(f"{line}: does not call slipway")
    words = words[words.index("slipway") + 1 :]
    end = next((index for index, word in enumerate(words) if re.fullmatch(r"[|>&;]+|&&", word)), len(words))
    while words and words[0] in GLOBAL_OPTIONS:
        words.pop(0)
    return _resolve(SLIPWAY, [PLACEHOLDERS.get(word, word) for word in words[:end]])


def _resolve(command: click.Command, words: list[str], prefix: tuple[str, ...] = ()) -> str:
    if _runs_by_itself(command) and (not words or words[0] not in getattr(command, "commands", ())):
        command.make_context(prefix[-1], words)
        return " ".join(prefix)
    if not words or words[0] not in command.commands:
        raise LookupError(f"slipway {' '.join((*prefix, *words))}: no such command")
    return _resolve(command.commands[words[0]], words[1:], (*prefix, words[0]))
