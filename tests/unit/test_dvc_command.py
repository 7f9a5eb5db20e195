"""DVC is started in one way, and its failure is one line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from slipway.dvc import command
from slipway.errors import ToolError

SOURCE = Path(__file__).parents[2] / "src/slipway"
USERS = {"local/demo.py", "local/repository.py"}  # they run the commands of a user


def test_a_failure_is_one_line_with_the_command_and_the_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match=r"^dvc data status: you are not inside of a DVC repository"):
        command.read("data", "status")
    with pytest.raises(ToolError, match=r"^dvc status: you are not inside of a DVC repository"):
        list(command.lines("status"))


def test_nothing_else_in_the_engine_starts_dvc():
    starting = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "'dvc'")
        or (isinstance(node, ast.Call) and node.args[:1] and ast.unparse(node).endswith("with_name('dvc')"))
    }
    assert {"dvc/command.py"} == starting - USERS
