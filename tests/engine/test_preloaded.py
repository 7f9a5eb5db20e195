"""A command of tests/preloaded.py behaves as one that a new Python runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import preloaded

ROOT = Path(__file__).parents[2]
CLI = """
import atexit, os, pathlib, sys, threading, time
def main():
    atexit.register(print, "at exit")
    print(*sys.argv[1:], pathlib.Path.cwd().name, os.environ.get("COLOR"), os.environ.get("HOME"))
    print(sys.stdin.read(), __name__)
    print("warning", file=sys.stderr)
    threading.Thread(target=lambda: [time.sleep(0.05), print("thread")]).start()
    if "crash" in sys.argv:
        raise KeyError("column")
    raise SystemExit(int(sys.argv[1]))
main()
"""


@pytest.fixture
def source(tmp_path):
    """Return a folder with another package `slipway`."""
    (tmp_path / "slipway/cli").mkdir(parents=True)
    for name, text in {"__init__.py": "", "cli/__init__.py": "", "cli/__main__.py": CLI}.items():
        (tmp_path / "slipway" / name).write_text(text)
    return tmp_path


def _both(source: Path, *arguments: str, **variables: str) -> list[tuple[int, str, list[str]]]:
    """Return code, output and last line of errors of a preloaded command and of a new Python."""
    env = os.environ | {"PYTHONPATH": str(source)} | variables
    command = [sys.executable, "-m", "slipway.cli", *arguments]
    new = subprocess.run(
        command, cwd=source, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    ended = (preloaded.run(*arguments, cwd=source, env=env), new)
    return [(done.returncode, done.stdout, [done.stderr.split()[0], done.stderr.split()[-1]]) for done in ended]


@pytest.mark.parametrize("arguments", [("0",), ("3", "more"), ("crash",)])
def test_code_output_and_errors_are_those_of_a_new_python(source, arguments):
    preloaded_command, new = _both(source, *arguments, COLOR="red")
    assert new == preloaded_command
    assert "red" in new[1]


def test_a_command_has_no_variables_of_the_server_and_leaves_nothing_to_the_next(source):
    assert "HOME" in os.environ
    _both(source, "0", COLOR="red")
    assert "None None" in preloaded.run("0", cwd=source, env={"PYTHONPATH": str(source)}).stdout
    assert "slipway 0." in preloaded.run("--version", cwd=ROOT).stdout


def test_python_is_found_first_on_the_path(source):
    env = preloaded.first_on_path(os.environ | {"PYTHONPATH": str(source)})
    done = subprocess.run(["python", "-m", "slipway.cli", "3"], env=env, capture_output=True, text=True, check=False)
    assert str(preloaded.program().parent) == env["PATH"].split(os.pathsep)[0]
    assert (3, "3 ") == (done.returncode, done.stdout[:2])
