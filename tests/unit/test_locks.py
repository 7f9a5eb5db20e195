"""A lock has one holder, names it, and is free when its holder closes it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from slipway.files import locks

SOURCE = Path(__file__).parents[2] / "src/slipway"
DIRECTORY_LOCK = "release/scratch.py"  # locks a folder, so that no file is left in it


def test_a_lock_has_one_holder_and_names_it(tmp_path):
    path = tmp_path / "new/lock"
    assert locks.holder(path) is None
    with locks.take(path):
        assert os.getpid() == locks.holder(path)
        with pytest.raises(locks.LockedError, match=f"{path}: locked by process {os.getpid()}; wait") as error:
            locks.take(path, wait=False)
        assert str(os.getpid()) == error.value.process
    assert locks.holder(path) is None
    locks.take(path, wait=False).close()


def test_nothing_else_in_the_engine_locks_a_file():
    users = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(alias.name == "fcntl" for alias in node.names)
    }
    assert {"files/locks.py", DIRECTORY_LOCK} == users
