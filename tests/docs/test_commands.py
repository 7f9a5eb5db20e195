"""Every command in the documentation exists as written, and every command of the CLI is documented."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from tests import commands
from tests.docs import pages

CONTENTS = {str(path): path.read_text(encoding="utf-8") for path in pages.PAGES}
COMPLETE = [(name, line) for name, text in CONTENTS.items() for line in pages.calls(text)]
MENTIONED = [(name, line) for name, text in CONTENTS.items() for line in pages.mentions(text)]
SHELL = [(name, line) for name, text in CONTENTS.items() for line in pages.shell(text)]
PROGRAMS = sorted(
    path.with_suffix("").as_posix().replace("/", ".")
    for path in Path("tests").rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and not path.name.startswith("test_")
)
"""Modules of the tests that are run as commands."""
PLACEHOLDERS = re.compile(r"(?<![\w.])[A-Z]{1,2}(?![\w.])|<[^>]+>|…")
"""What a page leaves for the reader to fill in."""
USER_AGENT_COMMENT = "(synthetic)"
"""Follows `slipway` in the User-Agent of synthetic requests."""


def check_mention(line: str) -> None:
    """Raise LookupError for a missing command or option; in a sentence, required arguments may be absent."""
    words = shlex.split(PLACEHOLDERS.sub("1", line), comments=True)
    words = words[words.index("slipway") + 1 :]
    if words in ([], ["--help"]) or words[0] in {"1", "COMMAND", USER_AGENT_COMMENT}:
        return
    command: Any = commands.SLIPWAY
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            raise LookupError(f"{line}: slipway has no command {name}")
        command = command.commands[name]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in options:
            raise LookupError(f"{line}: there is no option {word}")


def check_shell(line: str) -> None:
    """Check a line of a shell block by the parser of the program that it calls. Raises LookupError when it is wrong."""
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"[A-Z_]+=.*", word)]
    if words[:2] == ["uv", "run"]:
        words = words[next(index for index, word in enumerate(words[2:], 2) if not word.startswith("-")) :]
    tool, *rest = words
    CHECKS[Path(tool).name](line, rest)


def slipway(line: str, _: list[str]) -> None:
    commands.parse(line)


def make(line: str, rest: list[str]) -> None:
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = [word for word in rest if "=" not in word and word not in targets]
    if not rest or wrong:
        raise LookupError(f"{line}: make has no target {wrong}")


def dvc(line: str, rest: list[str]) -> None:
    from dvc.cli import DvcParserError, parse_args

    try:
        parse_args(rest)
    except (DvcParserError, SystemExit) as error:
        raise LookupError(f"{line}: {error}") from None


def plain(_: str, __: list[str]) -> None:
    """Accept a command of the system, whose arguments belong to the reader."""


def script(line: str, rest: list[str]) -> None:
    """Check that a script of the repository exists and is executable."""
    if not os.access(rest[0], os.X_OK):
        raise LookupError(f"{line}: {rest[0]} is not a script")


def module(line: str, rest: list[str]) -> None:
    """Check that a module of the repository exists."""
    if rest[:1] != ["-m"] or not importlib.util.find_spec(rest[1]):
        raise LookupError(f"{line}: no such module")


CHECKS = {"slipway": slipway, "make": make, "dvc": dvc, "export": plain, "gh": plain, "git": plain, "perl": plain}
CHECKS |= {"uv": plain, "pre-commit": plain, "python": module, "sudo": script}


@pytest.mark.parametrize(("page", "line"), COMPLETE)
def test_a_complete_command_parses(page, line):
    commands.parse(PLACEHOLDERS.sub("1", line))


@pytest.mark.parametrize(("page", "line"), sorted(set(MENTIONED)))
def test_a_command_in_a_sentence_exists(page, line):
    check_mention(line)


@pytest.mark.parametrize(("page", "line"), SHELL)
def test_a_line_of_a_shell_block_is_valid(page, line):
    check_shell(PLACEHOLDERS.sub("1", line))


@pytest.mark.parametrize("command", [name for name, _ in commands.listed()])
def test_every_command_is_documented(command):
    lines = [line for _, line in COMPLETE + MENTIONED]
    assert any(re.search(rf"\bslipway {command}\b", line) for line in lines), f"slipway {command}: on no page"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_tests_finds_what_it_imports(name):
    assert callable(importlib.import_module(name).main)


@pytest.mark.parametrize("line", ["slipway lnt", "slipway rollback --hard", "slipway release lst", "slipway lint -x"])
def test_a_mention_of_a_missing_command_fails(line):
    with pytest.raises(LookupError):
        check_mention(line)


@pytest.mark.parametrize(
    "line",
    [
        "make tea",
        "make",
        "uv run dvc rpro",
        "uv run dvc repro --hard",
        "uv run --frozen slipway lnt",
        "rm -rf /",
        "docker x",
        "sudo .ci/machine trixie",
        "python -m tests.no_such_module",
        "python -c 1",
    ],
)
def test_an_invalid_line_of_a_shell_block_fails(line):
    with pytest.raises((LookupError, click.UsageError)):
        check_shell(line)


def test_commands_are_extracted_from_every_kind_of_block():
    text = (
        "`slipway a`\n\n    slipway b --c\n\n```sh\nuv run slipway d\n```\n\n```text\n$ slipway e\nno slipway f\n```\n"
    )
    assert ["slipway b --c", "uv run slipway d", "slipway e"] == pages.calls(text)
    assert ["slipway a"] == pages.mentions(text)
    assert ["uv run slipway d"] == pages.shell(text)
