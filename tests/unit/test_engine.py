"""The engine's tests run unless a fork has the template's files, by content; every change of one brings them back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.errors import UnreadableFileError
from slipway.git import Git
from slipway.pull_request import engine

FILES = {
    "src/slipway/gates.py": "limit = 1\n",
    "tests/unit/test_gates.py": "assert True\n",
    "src/problem/row.py": "species\n",
    "tests/problem/test_row.py": "species\n",
    "params.yaml": "seed: 1\n",
    "pyproject.toml": "[project]\n",
    "uv.lock": "version = 1\n",
    "Makefile": "test:\n",
    "dvc.lock": "stages: {}\n",
}


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def write(files: dict[str, str]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def commit(files: dict[str, str]) -> None:
    write(files)
    git("add", "--all")
    git("commit", "--quiet", "--message", "x")


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """A fork with a lock, on a branch of its own."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch=main")
    commit(FILES)
    engine.write_lock(Git(Path()), "HEAD")
    commit({})
    git("checkout", "--quiet", "-b", "branch")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"src/problem/row.py": "island\n", "tests/problem/test_row.py": "island\n"},
        {"params.yaml": "seed: 2\n", "dvc.lock": "stages: {train: 1}\n"},
        {"metrics/evaluate.json": "1\n", "data.dvc": "outs: []\n"},
        {"notebooks/first.ipynb": "{}\n"},
    ],
    ids=["nothing", "problem", "parameters", "data", "a folder of the fork"],
)
def test_a_branch_that_leaves_the_engine_alone_need_not_test_it(fork, files):
    commit({"src/problem/other.py": "x\n"} | files)
    assert engine.why_tested("main") is None


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"src/slipway/gates.py": "limit = 2\n"}, "src/slipway/gates.py: not as in the template"),
        ({"tests/unit/test_gates.py": "pass\n"}, "tests/unit/test_gates.py: not as in the template"),
        ({"src/slipway/new.py": "x\n"}, "src/slipway/new.py: not as in the template"),
        ({"conftest.py": "x\n"}, "conftest.py: not as in the template"),
        ({"uv.lock": "version = 2\n"}, "uv.lock: changed by this branch"),
        ({"pyproject.toml": "[tool]\n", "uv.lock": "2\n"}, "pyproject.toml and 1 more: changed by this branch"),
    ],
)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "edited"])
def test_a_changed_engine_is_tested(fork, files, reason, committed):
    (commit if committed else write)(files)
    assert reason == engine.why_tested("main")


def test_a_deleted_file_of_the_engine_is_a_change(fork):
    git("rm", "--quiet", "src/slipway/gates.py")
    git("commit", "--quiet", "--message", "x")
    assert "src/slipway/gates.py: not as in the template" == engine.why_tested("main")


def test_a_changed_mode_is_a_change(fork):
    git("update-index", "--chmod=+x", "src/slipway/gates.py")
    git("commit", "--quiet", "--message", "x")
    assert engine.why_tested("main").startswith("src/slipway/gates.py: ")


def test_a_branch_cannot_write_the_lock_that_it_is_held_to(fork):
    commit({"src/slipway/gates.py": "limit = 2\n"})
    engine.write_lock(Git(Path()), "HEAD")
    commit({})
    assert "engine.lock: changed by this branch" == engine.why_tested("main")


def test_the_template_tests_its_engine(fork):
    Path("engine.lock").unlink()
    assert engine.why_tested("main").startswith("engine.lock: not found")


def test_a_base_that_cannot_be_read_brings_the_tests(fork):
    assert engine.why_tested("origin/main").startswith("origin/main: no such branch")


def test_a_broken_lock_is_named(fork):
    Path("engine.lock").write_text("100644 abc\n")
    with pytest.raises(
        UnreadableFileError, match=r"^engine\.lock:1: not `mode id path`; run `git checkout -- engine\.lock`$"
    ):
        engine.read_lock()
