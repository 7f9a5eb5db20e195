"""The commands of the command line, and whether a line of documentation calls one of them as it can be called."""

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

SLIPWAY = get_command(app)
PLACEHOLDERS = {"…": "1", "...": "1"}  # what documentation leaves out


def verbs(group: click.Group = SLIPWAY, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each verb by its whole name, such as `release build`, those of groups among them."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from verbs(command, (*before, name))
        if _is_verb(command):
            yield " ".join((*before, name)), command


def _is_verb(command: click.Command) -> bool:
    """A group may be a verb of its own, as `history` is beside `history diff`."""
    return not hasattr(command, "commands") or command.invoke_without_command


def parse(line: str) -> str:
    """Name of the verb that `line` calls. Raises click's UsageError, or LookupError when it calls none.

    What stands before `slipway` (variables, `uv run`) and after `#`, `|` or `>` is not of this command line.
    """
    words = [Path(word).name if word.endswith("/slipway") else word for word in shlex.split(line, comments=True)]
    if "slipway" not in words:
        raise LookupError(f"{line}: does not call slipway")
    words = words[words.index("slipway") + 1 :]
    end = next((at for at, word in enumerate(words) if re.fullmatch(r"[|>&;]+|&&", word)), len(words))
    return _resolve(SLIPWAY, [PLACEHOLDERS.get(word, word) for word in words[:end]])


def _resolve(command: click.Command, words: list[str], before: tuple[str, ...] = ()) -> str:
    if _is_verb(command) and (not words or words[0] not in getattr(command, "commands", ())):
        command.make_context(before[-1], words)
        return " ".join(before)
    if not words or words[0] not in command.commands:
        raise LookupError(f"slipway {' '.join((*before, *words))}: there is no such verb")
    return _resolve(command.commands[words[0]], words[1:], (*before, words[0]))
