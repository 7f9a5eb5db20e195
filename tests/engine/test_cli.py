"""Every command documents its purpose, an example, its options and its exit codes; every error is one line."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from slipway import cli
from slipway.cli.groups import EXIT_CODES
from slipway.cli.table import PACKAGES, SUMMARIES
from slipway.errors import SettingError
from tests import commands

COMMANDS = dict(commands.listed())
NAMES = sorted(COMMANDS)
WITH_JSON = {"bench", "doctor", "licences", "release list", "status", "verify"}
"""Commands that print their result on stdout. The others write theirs to results/, as JSON."""


def help_text(name: str) -> str:
    return inspect.cleandoc(COMMANDS[name].callback.__doc__ or "")


def examples(text: str) -> list[str]:
    return re.findall(r"^Example: `(.+)`$", text, re.MULTILINE)


def documents_its_codes(source: str, text: str) -> bool:
    """Whether the help has a line on exit codes exactly if the command exits with a code of its own."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    has_codes = any(ast.unparse(call.func) == "typer.Exit" for call in calls)
    return has_codes == bool(re.search(r"^Exit codes: \d .+\.$", text, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_summary_is_one_line_that_ends_with_a_full_stop(name):
    first, *rest = help_text(name).splitlines()
    assert first.endswith(".")
    assert not rest or not rest[0]


@pytest.mark.parametrize("name", NAMES)
def test_table_has_the_summary_of_each_command(name):
    assert SUMMARIES[name] == help_text(name).splitlines()[0]


def test_table_lists_every_function_of_each_commands_module():
    declared = {
        (file.parent.name, node.name)
        for file in Path("src/slipway").glob("*/commands.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert {(package, re.sub("[ -]", "_", name)) for name, package in PACKAGES.items() if package} == declared


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["release", "--help"]])
def test_help_imports_no_package_of_a_command(arguments):
    program = "import sys; from slipway.cli import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    allowed = {"slipway", "slipway.cli", "slipway.cli.groups", "slipway.cli.table", "slipway.errors", "slipway.output"}
    assert {name for name in loaded if name.partition(".")[0] in {"slipway", "problem", "rich", "numpy"}} <= allowed


def test_status_imports_no_reader_of_tables_or_yaml_before_it_reads_one():
    program = "import sys; from slipway.agent import commands, status, status_text; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "pydantic" in loaded
    assert set() == loaded & {"dvc", "numpy", "pandas", "pyarrow", "ruamel", "yaml"}


@pytest.mark.parametrize("name", NAMES)
def test_help_has_one_example_which_calls_the_command(name):
    (example,) = examples(help_text(name))
    assert name == commands.parse(example)


@pytest.mark.parametrize("name", NAMES)
def test_help_documents_exit_codes_of_the_command(name):
    source = textwrap.dedent(inspect.getsource(COMMANDS[name].callback))
    assert documents_its_codes(source, help_text(name))


@pytest.mark.parametrize("name", NAMES)
def test_help_ends_with_the_exit_codes(name):
    result = CliRunner().invoke(cli.app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert 0 == result.exit_code
    assert EXIT_CODES in " ".join(result.output.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_has_a_help_text(name):
    undocumented = [parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", None)]
    assert [] == undocumented


@pytest.mark.parametrize("name", sorted(WITH_JSON))
def test_commands_that_print_a_result_offer_json(name):
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_version_option_prints_the_version_of_the_project():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (0, f"slipway {project['version']}\n") == (result.exit_code, result.output)


@pytest.mark.parametrize("arguments", [["--version", "--json"], ["--json", "--version"]])
def test_version_option_prints_json(arguments):
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    result = CliRunner().invoke(cli.app, arguments)
    assert {"version": project["version"]} == json.loads(result.stdout)


def test_version_is_an_option_and_not_a_command():
    assert 2 == CliRunner().invoke(cli.app, ["version"]).exit_code


def test_user_error_is_one_line_and_exit_code_2(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def reject() -> None:
        raise SettingError("params.yaml: seed: none; write a whole number")

    monkeypatch.setattr(cli, "app", lambda: app([], standalone_mode=False))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert 2 == ended.value.code
    assert "slipway: params.yaml: seed: none; write a whole number\n" == capsys.readouterr().err


WITH_CODE = "def command():\n    raise typer.Exit(1)\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (WITH_CODE, "Does."),
        (WITH_CODE, "Does.\n\nExit codes: when it fails."),
        ("def command(): ...", "Exit codes: 1 never."),
    ],
)
def test_undocumented_exit_codes_are_detected(source, text):
    assert not documents_its_codes(source, text)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("slipway lnt", "no such command"),
        ("slipway release", "no such command"),
        ("slipway release lst", "no such command"),
        ("slipway lint --hard", "No such option"),
        ("slipway rollback", "Missing parameter: environment"),
        ("slipway drill --environment staging --runs many", "valid integer"),
        ("make demo", "does not call slipway"),
    ],
)
def test_invalid_lines_are_rejected(line, error):
    with pytest.raises(Exception, match=error):
        commands.parse(line)


def test_parser_ignores_what_surrounds_a_command():
    line = "RUN_ID=1 uv run slipway rollback --environment production --to … | tee log  # back"
    assert "rollback" == commands.parse(line)
