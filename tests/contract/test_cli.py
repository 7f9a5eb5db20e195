"""Each verb of the command line says what it does, how it is called and how it ends, and errors are one line."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway import cli
from slipway.cli.verbs import EXIT_CODES, Verbs
from slipway.errors import UserError
from tests import commands

VERBS = dict(commands.verbs())
NAMES = sorted(VERBS)
READ_BY_MACHINES = {"bench", "doctor", "licences", "release list", "status", "verify"}
"""Verbs that answer a question on stdout. What the others find out stands in results/, as JSON."""


def text(name: str) -> str:
    return inspect.cleandoc(VERBS[name].callback.__doc__ or "")


def examples(said: str) -> list[str]:
    return re.findall(r"^Example: `(.+)`$", said, re.MULTILINE)


def says_its_codes(source: str, said: str) -> bool:
    """A verb that ends with a code of its own has a line about it, and no other verb has."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    own = any(ast.unparse(call.func) == "typer.Exit" for call in calls)
    return own == bool(re.search(r"^Exit codes: \d .+\.$", said, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_summary_is_one_line_that_ends_with_a_full_stop(name):
    first, *rest = text(name).splitlines()
    assert first.endswith(".")
    assert not rest or not rest[0]


@pytest.mark.parametrize("name", NAMES)
def test_example_is_there_and_calls_the_verb(name):
    (example,) = examples(text(name))
    assert name == commands.parse(example)


@pytest.mark.parametrize("name", NAMES)
def test_exit_codes_of_its_own_are_said(name):
    source = textwrap.dedent(inspect.getsource(VERBS[name].callback))
    assert says_its_codes(source, text(name))


@pytest.mark.parametrize("name", NAMES)
def test_help_ends_with_the_exit_codes(name):
    shown = CliRunner().invoke(cli.app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert 0 == shown.exit_code
    assert EXIT_CODES in " ".join(shown.output.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_says_what_it_is(name):
    silent = [given.name for given in VERBS[name].params if not getattr(given, "help", None)]
    assert [] == silent


@pytest.mark.parametrize("name", sorted(READ_BY_MACHINES))
def test_json_is_offered_where_a_machine_reads(name):
    assert any("--json" in given.opts for given in VERBS[name].params)


def test_the_version_is_one_line_and_that_of_the_project():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    shown = CliRunner().invoke(cli.app, ["--version"])
    assert (0, f"slipway {project['version']}\n") == (shown.exit_code, shown.output)


def test_the_version_is_an_option_and_not_a_command():
    assert 2 == CliRunner().invoke(cli.app, ["version"]).exit_code


def test_an_error_of_the_user_is_one_line_and_exit_code_2(monkeypatch, capsys):
    app = Verbs()

    @app.command()
    def refuse() -> None:
        raise UserError("params.yaml: seed: none; write a whole number")

    monkeypatch.setattr(cli, "app", lambda: app([], standalone_mode=False))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert 2 == ended.value.code
    assert "slipway: params.yaml: seed: none; write a whole number\n" == capsys.readouterr().err


CODES = "def verb():\n    raise typer.Exit(1)\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [(CODES, "Does."), (CODES, "Does.\n\nExit codes: when it fails."), ("def verb(): ...", "Exit codes: 1 never.")],
)
def test_codes_that_are_not_said_are_found(source, said):
    assert not says_its_codes(source, said)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("slipway lnt", "no such verb"),
        ("slipway release", "no such verb"),
        ("slipway release lst", "no such verb"),
        ("slipway lint --hard", "No such option"),
        ("slipway rollback", "Missing parameter: environment"),
        ("slipway drill --environment staging --runs many", "valid integer"),
        ("make demo", "does not call slipway"),
    ],
)
def test_a_line_that_cannot_be_called_is_found(line, error):
    with pytest.raises(Exception, match=error):
        commands.parse(line)


def test_what_stands_around_a_command_is_left_aside():
    line = "RUN_ID=1 uv run slipway rollback --environment production --to … | tee log  # back"
    assert "rollback" == commands.parse(line)
