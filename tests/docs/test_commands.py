"""The documentation cannot lie about commands: each exists as it is written, and each verb has a place in it."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests import commands
from tests.docs import pages

TEXTS = {str(path): path.read_text(encoding="utf-8") for path in pages.PAGES}
WHOLE = [(name, line) for name, text in TEXTS.items() for line in pages.calls(text)]
MENTIONED = [(name, line) for name, text in TEXTS.items() for line in pages.mentions(text)]
SHELL = [(name, line) for name, text in TEXTS.items() for line in pages.shell(text)]
BLANKS = re.compile(r"(?<![\w.])[A-Z]{1,2}(?![\w.])|<[^>]+>|…")
"""What a page leaves for the reader to fill in."""


def check_mention(line: str) -> None:
    """In a sentence a verb may stand without what it needs; options that are there must exist."""
    words = shlex.split(BLANKS.sub("1", line), comments=True)
    words = words[words.index("slipway") + 1 :]
    if words in ([], ["--help"]) or words[0] in {
        "1",
        "COMMAND",
        "VERB",
        "(synthetic)",
    }:  # the last is a name that requests carry
        return
    command: Any = commands.SLIPWAY
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            raise LookupError(f"{line}: slipway has no verb {name}")
        command = command.commands[name]
    known = {option for given in command.params for option in (*given.opts, *given.secondary_opts)}
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in known:
            raise LookupError(f"{line}: there is no option {word}")


def check_shell(line: str) -> None:
    """A line of a block of commands is known to be right: parsed by what it calls, or one of git's and such."""
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"[A-Z_]+=.*", word)]
    if words[:2] == ["uv", "run"]:
        words = words[next(at for at, word in enumerate(words[2:], 2) if not word.startswith("-")) :]
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
    """A command of the system, whose arguments are the reader's own."""


def script(line: str, rest: list[str]) -> None:
    """A script of the repository, run as root."""
    if not os.access(rest[0], os.X_OK):
        raise LookupError(f"{line}: {rest[0]} is no script")


def module(line: str, rest: list[str]) -> None:
    """A module of the repository."""
    if rest[:1] != ["-m"] or not importlib.util.find_spec(rest[1]):
        raise LookupError(f"{line}: no such module")


CHECKS = {"slipway": slipway, "make": make, "dvc": dvc, "export": plain, "gh": plain, "git": plain, "perl": plain}
CHECKS |= {"uv": plain, "pre-commit": plain, "python": module, "sudo": script}


@pytest.mark.parametrize(("page", "line"), WHOLE)
def test_a_whole_command_can_be_called_as_it_stands(page, line):
    commands.parse(BLANKS.sub("1", line))


@pytest.mark.parametrize(("page", "line"), sorted(set(MENTIONED)))
def test_a_command_in_a_sentence_exists(page, line):
    check_mention(line)


@pytest.mark.parametrize(("page", "line"), SHELL)
def test_a_line_of_a_block_of_commands_is_right(page, line):
    check_shell(BLANKS.sub("1", line))


@pytest.mark.parametrize("verb", [name for name, _ in commands.listed()])
def test_every_verb_has_a_place(verb):
    said = [line for _, line in WHOLE + MENTIONED]
    assert any(re.search(rf"\bslipway {verb}\b", line) for line in said), f"slipway {verb}: no page says a word of it"


@pytest.mark.parametrize("line", ["slipway lnt", "slipway rollback --hard", "slipway release lst", "slipway lint -x"])
def test_a_mention_that_lies_is_found(line):
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
def test_a_line_of_a_block_that_lies_is_found(line):
    with pytest.raises((LookupError, click.UsageError)):
        check_shell(line)


def test_commands_are_found_wherever_they_stand():
    text = (
        "`slipway a`\n\n    slipway b --c\n\n```sh\nuv run slipway d\n```\n\n```text\n$ slipway e\nno slipway f\n```\n"
    )
    assert ["slipway b --c", "uv run slipway d", "slipway e"] == pages.calls(text)
    assert ["slipway a"] == pages.mentions(text)
    assert ["uv run slipway d"] == pages.shell(text)


def test_every_alert_and_whether_it_wakes_somebody_is_told():
    """The table of docs/operations.md against the rules of Prometheus."""
    (group,) = yaml.safe_load(Path("deploy/monitoring/rules.yaml").read_text(encoding="utf-8"))["groups"]
    rows = re.findall(r"^\| (`Slipway.*?) \| (yes|no) \|", TEXTS["docs/operations.md"], re.MULTILINE)
    told = {name: wakes for names, wakes in rows for name in re.findall(r"`(\w+)`", names)}
    severities = {"page": "yes", "ticket": "no"}
    assert {rule["alert"]: severities[rule["labels"]["severity"]] for rule in group["rules"]} == told


def test_variables_and_secrets_that_workflows_read_are_told():
    files = Path(".github/workflows").glob("*.yaml")
    read = {name for file in files for name in re.findall(r"\b(?:vars|secrets)\.(\w+)", file.read_text("utf-8"))}
    assert set() == read - set(re.findall(r"`([A-Z_]+)`", TEXTS["README.md"]))
    assert set() == read - set(re.findall(r"`([A-Z_]+)`", TEXTS["docs/workflows.md"]))


def test_jobs_and_their_commands_are_those_of_the_workflows():
    """The two tables of README.md: every job of the two workflows, and every verb that it runs."""
    for workflow in ("pull-request", "deploy"):
        content = yaml.safe_load(Path(f".github/workflows/{workflow}.yaml").read_text(encoding="utf-8"))
        for name, job in content["jobs"].items():
            runs = " ".join(step.get("run", "") for step in job["steps"])
            verbs = set(re.findall(r"slipway ((?:release )?[a-z]+)", runs)) - {"agent", "release keep"}
            rows = re.findall(rf"^\| `{name}` \| (.*?) \|", TEXTS["README.md"], re.MULTILINE)
            assert any(verbs == set(re.findall(r"`slipway ([a-z ]+)`", row)) for row in rows), (name, verbs, rows)


def test_what_runs_by_itself_and_its_commands_are_those_of_the_workflows():
    """The third table of README.md."""
    rows = re.findall(r"^\| `(monitor|retrain|rollback)` \| (.*?) \|", TEXTS["README.md"], re.MULTILINE)
    for workflow, commands_told in rows:
        runs = Path(f".github/workflows/{workflow}.yaml").read_text(encoding="utf-8")
        run = set(re.findall(r"uv run slipway ([a-z]+)", runs)) - {"agent", "release"}
        assert run == set(re.findall(r"`slipway ([a-z]+)`", commands_told)), workflow
    assert 3 == len(rows)


def test_the_tree_of_readme_is_the_tree_that_there_is():
    """Every path in it exists, and no package of the machinery is left out."""
    (tree,) = re.findall(r"^```text\n(params.*?)```", TEXTS["README.md"], re.MULTILINE | re.DOTALL)
    rows = [(line.startswith("  "), re.split(r" {2,}", line.strip())[0].split()) for line in tree.splitlines()]
    outer = {name for inner, names in rows if not inner for name in names}
    inner = {name.rstrip("/") for inner, names in rows if inner for name in names}
    assert [] == [name for name in outer if not Path(name).exists()]
    assert {path.parent.name for path in Path("src/slipway").glob("*/__init__.py")} | {"local"} == inner
