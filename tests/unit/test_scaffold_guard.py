"""Tests of the guard of `slipway new` and `slipway upgrade`: they never delete a file that git does not track."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.errors import ToolError, WorkTreeError
from slipway.git import Git
from slipway.scaffold import new, upgrade, work_tree
from slipway.scaffold.plan import ForkRequest
from slipway.settings import read_settings
from tests import hostile_git
from tests.params import PARAMS

COMMITTED = {
    "src/problem/row.py": "row\n",
    "metrics/evaluate.json": "{}\n",
    ".gitignore": "__pycache__/\n/secret\n*.env\n",
}


def git(*arguments: str) -> str:
    options = {"env": hostile_git.without(), "check": True, "capture_output": True, "text": True}
    return subprocess.run(["git", *arguments], **options).stdout.strip()


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


@pytest.fixture(params=[False, True], ids=["plain", "hostile"])
def fork(request, tmp_path, monkeypatch):
    """Return a table next to a clean fork, under default and under unusual settings of git."""
    (tmp_path / "fork").mkdir()
    monkeypatch.chdir(tmp_path / "fork")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    monkeypatch.setattr(work_tree, "dvc", lambda *_: "{}")
    git("init", "--quiet", "--initial-branch=main", "--template=")
    write(COMMITTED)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Begin")
    git("branch", "template")
    if request.param:
        hostile_git.apply(tmp_path / "user", monkeypatch)
    table = tmp_path / "table.csv"
    table.write_text("x,y\n1,2\n")
    return table


SETTINGS = read_settings()
COMMANDS = {
    "new": lambda table: new.new(table, ForkRequest(target="y")),
    "upgrade": lambda _: upgrade.upgrade("template"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["src/problem/mine.py", "metrics/mine.json", "anywhere/[*].txt"])
def test_an_untracked_file_stops_the_command_and_stays(fork, command, name):
    write({name: "only copy\n"})
    with pytest.raises(WorkTreeError, match="not committed; commit or stash first"):
        COMMANDS[command](fork)
    assert "only copy\n" == Path(name).read_text()


@pytest.mark.parametrize("name", ["src/problem/ignored-mine.py", "src/problem/key.env", "tests/problem/deep/er.env"])
def test_an_ignored_file_in_a_replaced_folder_stops_the_command(fork, name):
    Path(".git/info").mkdir(exist_ok=True)
    Path(".git/info/exclude").write_text("ignored-*\n")
    write({name: "only copy\n"})
    with pytest.raises(WorkTreeError, match=rf"{Path(name).name}: not in git, and its folder will be replaced"):
        COMMANDS["new"](fork)
    assert "only copy\n" == Path(name).read_text()


@pytest.mark.parametrize("name", ["secret", "src/problem/__pycache__/row.cpython-311.pyc"])
def test_ignored_files_elsewhere_and_generated_files_do_not_stop_the_command(fork, name):
    write({name: "ignored\n"})
    work_tree.require_clean()
    work_tree.require_no_untracked(*new.REPLACED)


@pytest.mark.parametrize("failure", [ToolError("dvc repro: full disk"), KeyboardInterrupt(), KeyError("foo")])
def test_a_failure_half_way_restores_every_file(fork, monkeypatch, capsys, failure):
    def broken(*_):
        write({"src/problem/row.py": "other\n", "src/problem/new.py": "new\n", "engine.lock": "1\n"})
        write({".dvcstore/files/md5/1": "new\n", "metrics/data.json": "{}\n"})
        Path("metrics/evaluate.json").unlink()
        raise failure

    fork.write_text("x,y\n" + "".join(f"{row}.5,{row * row % 7}.5\n" for row in range(120)))
    monkeypatch.setattr(new, "read_settings", lambda: SETTINGS)
    monkeypatch.setattr(new.engine, "write_lock", broken)
    with pytest.raises(type(failure)) as failed:
        COMMANDS["new"](fork)
    assert "every file was restored" in str(failed.value) + capsys.readouterr().err
    assert {} == Git(Path()).edited()
    assert COMMITTED == {name: Path(name).read_text() for name in COMMITTED}


def test_results_of_the_previous_problem_are_removed(fork, monkeypatch):
    def stop(*_):
        raise ToolError("the package is written")

    write(
        {"results/data.json": "{}\n", "results/report/report.md": "Ready to merge\n", ".git/info/exclude": "results/\n"}
    )
    fork.write_text("x,y\n" + "".join(f"{row}.5,{row * row % 7}.5\n" for row in range(120)))
    monkeypatch.setattr(new, "read_settings", lambda: SETTINGS)
    monkeypatch.setattr(new.engine, "write_lock", lambda *_: None)
    monkeypatch.setattr(new, "PARAMS", PARAMS)
    monkeypatch.setattr(new, "_edit", stop)
    with pytest.raises(ToolError, match="the package is written"):
        COMMANDS["new"](fork)
    assert not Path("results").exists()


def test_an_upgrade_does_not_delete_untracked_files(fork, monkeypatch):
    monkeypatch.setattr(work_tree, "uv", lambda *_: None)
    git("checkout", "--quiet", "template")
    write({"src/problem/planes.py": "of the template\n", "src/slipway/machine.py": "two\n", "uv.lock": "1\n"})
    git("add", "--all")
    git("commit", "--quiet", "--message", "Improve")
    git("checkout", "--quiet", "main")
    write({"src/problem/key.env": "only copy\n"})
    upgrade.upgrade("template")
    assert "only copy\n" == Path("src/problem/key.env").read_text()
    assert (False, True) == (Path("src/problem/planes.py").exists(), Path("src/slipway/machine.py").exists())


def test_outside_of_a_repository_nothing_is_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write({".git": "broken\n", "src/problem/mine.py": "mine\n"})
    with pytest.raises(ToolError, match="fatal: "):
        COMMANDS["new"](tmp_path.parent / "table.csv")
    assert Path("src/problem/mine.py").exists()
