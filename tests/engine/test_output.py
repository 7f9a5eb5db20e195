"""`--json` and `--quiet` hold for every command; with `--json`, stdout is exactly one JSON document."""

from __future__ import annotations

import functools
import json
import shlex
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from slipway import cli, output
from slipway.cli import groups
from slipway.cli.table import PACKAGES
from slipway.errors import GateError
from tests.engine.test_cli import NAMES, examples, help_text

DOCUMENT = {"command": "stub"}
PROGRAM = """
import subprocess, sys
from slipway import output
with output.session(sys.argv[1:]):
    print("third party")
    subprocess.run(["echo", "another process"])
    output.step("a step")
    output.result({"key": float("nan") < 1}, "text")
"""


def stub(function):
    """Return a function with the options of a command that prints one of everything."""

    @functools.wraps(function)
    def work(*_, context=None, **__):
        if context and context.invoked_subcommand:
            return
        output.step("a step")
        output.progress("a progress")
        output.warn("a warning")
        output.result(DOCUMENT, "text")

    return work


def words(name: str) -> list[str]:
    """Return the arguments of the example in the help of a command."""
    (example,) = examples(help_text(name))
    line = shlex.split(example, comments=True)
    return ["1" if word in {"…", "..."} else word for word in line[line.index("slipway") + 1 :] if word != "--json"]


@pytest.fixture
def stubbed(monkeypatch):
    original = groups._function
    monkeypatch.setattr(groups, "_function", lambda name: stub(original(name)))


@pytest.mark.parametrize("name", NAMES)
def test_json_is_accepted_on_both_sides_of_every_command(name, stubbed):
    for arguments in (["--json", *words(name)], [*words(name), "--json"]):
        done = CliRunner().invoke(cli.app, arguments)
        assert (0, DOCUMENT) == (done.exit_code, json.loads(done.stdout)), arguments
        assert "a step\na progress\na warning\n" == done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_quiet_keeps_the_result_and_warnings_of_every_command(name, stubbed):
    for arguments in (["--quiet", *words(name)], [*words(name), "--quiet"]):
        done = CliRunner().invoke(cli.app, arguments)
        assert (0, "text\n", "a warning\n") == (done.exit_code, done.stdout, done.stderr), arguments


def test_every_command_is_enumerated():
    assert set(NAMES) == {name for name, package in PACKAGES.items() if package}


def test_without_options_everything_is_text(stubbed):
    done = CliRunner().invoke(cli.app, ["status"])
    assert ("a step\ntext\n", "a progress\na warning\n") == (done.stdout, done.stderr)


@pytest.fixture
def repository(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "key"),
    [
        ("status", 0, "environments"),
        ("doctor --commands", 0, "commands"),
        ("history", 2, "error"),
        ("stop", 2, "error"),
        ("required", 2, "error"),
        ("score missing.csv out.csv", 2, "error"),
        ("lint --hard", 2, "error"),
        ("no-such-command", 2, "error"),
    ],
)
def test_a_process_prints_one_document(arguments, code, key, repository):
    command = [sys.executable, "-m", "slipway.cli", "--json", *arguments.split()]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (code, True) == (done.returncode, key in document), done
    assert code == document.get("exit_code", 0)
    assert code == 0 or document["message"] in done.stderr


def test_output_of_other_code_and_processes_goes_to_stderr():
    done = subprocess.run([sys.executable, "-c", PROGRAM, "--json"], capture_output=True, text=True, check=True)
    assert {"key": False} == json.loads(done.stdout)
    assert {"third party", "another process", "a step"} == set(done.stderr.splitlines())


def test_a_crash_is_a_document(capsys):
    session = output.session(["--json"])
    with pytest.raises(KeyError), session:
        raise KeyError("column")
    assert {"error": "KeyError", "message": "'column'", "exit_code": 1} == json.loads(capsys.readouterr().out)


def test_options_end_with_their_command(capsys):
    with output.session(["--quiet", "--json"]):
        output.result({}, "text")
    output.step("a step")
    output.result({}, "")
    assert "{}\na step\n" == capsys.readouterr().out


def test_a_number_that_is_not_finite_is_null(capsys):
    with output.session(["--json"]):
        output.result({"metric": float("nan"), "limits": [float("inf")]}, "text")
    assert {"metric": None, "limits": [None]} == json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_an_error_replaces_the_result(capsys):
    session = output.session(["--json"])
    with pytest.raises(GateError), session:  # noqa: PT012 the order is the point
        output.record({"outcome": "fail"})
        raise GateError("lint: blocked")
    assert "lint: blocked" == json.loads(capsys.readouterr().out)["message"]


def test_progress_has_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(output.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(output, "PROGRESS_INTERVAL_SECONDS", 0)
    reporter = output.ProgressReporter("score", "rows")
    monkeypatch.setattr(output.time, "monotonic", lambda: 10.0)
    reporter.add(1_000, 0.25)
    reporter.finish()
    assert capsys.readouterr().err.splitlines() == [
        "score: 1,000 rows, 25%, 100 rows/s, 30 s left",
        "score: 1,000 rows, 100%, 100 rows/s",
    ]


def test_a_terminal_has_one_line_of_progress(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(output, "TERMINAL_INTERVAL_SECONDS", -1)
    reporter = output.ProgressReporter("score", "rows")
    reporter.add(1_000, 0.25)
    reporter.finish()
    printed = capsys.readouterr().err
    assert (2, 1) == (printed.count(output.LAST_LINE), printed.count("\n"))
