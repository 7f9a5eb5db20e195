"""The identity of a work tree: it changes with the files that git does not ignore, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.git import source_tree
from tests.git_repository import commit, git

WRITTEN = ("dvc.lock", "metrics")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("metrics").mkdir()
    for name in ("code.py", "page.md", "dvc.lock", "metrics/a.json"):
        Path(name).write_text(name)
    Path(".gitignore").write_text("results/\n")
    git("init", "-q", "-b", "main")
    commit()


def _content(folder: str = ".") -> str:
    tree = source_tree.read(Path(folder), WRITTEN)
    assert tree
    return tree.content


def _append(name: str) -> None:
    with Path(name).open("a") as file:
        file.write("more")


CHANGES = {
    "an edited file": lambda: _append("code.py"),
    "an edited file that is staged": lambda: (_append("code.py"), git("add", "code.py")),
    "a new file": lambda: Path("new name.py").write_text(""),
    "a deleted file": lambda: Path("code.py").unlink(),
    "a renamed file": lambda: Path("code.py").rename("other.py"),
    "a link in place of a file": lambda: (Path("code.py").unlink(), Path("code.py").symlink_to("page.md")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_another_tree_and_its_commit_the_same_one(repository, change):
    before = _content()
    CHANGES[change]()
    edited = source_tree.read(Path(), WRITTEN)
    assert (True, True) == (edited.edited, edited.content != before)
    assert str(edited).endswith(" with uncommitted changes")
    commit()
    committed = source_tree.read(Path(), WRITTEN)
    assert (False, edited.content) == (committed.edited, committed.content)
    assert edited.commit != committed.commit


@pytest.mark.parametrize("name", ["dvc.lock", "metrics/a.json", "metrics/new.json", "results/data.json"])
def test_what_the_pipeline_writes_and_ignored_files_are_not_of_the_tree(repository, name):
    before = source_tree.read(Path(), WRITTEN)
    Path(name).parent.mkdir(exist_ok=True)
    _append(name)
    assert before == source_tree.read(Path(), WRITTEN)


def test_a_merge_that_changes_no_file_keeps_the_tree(repository):
    git("switch", "--quiet", "--create", "change")
    _append("code.py")
    commit("change")
    before = _content()
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "--no-edit", "change")
    assert before == _content()


def test_a_clone_has_the_same_tree(repository, tmp_path):
    git("clone", "--quiet", ".", "results/clone")
    assert _content() == _content("results/clone")


def test_paths_are_relative_to_the_project_in_a_larger_repository(repository):
    Path("project").mkdir()
    commit()
    before = _content("project")
    _append("project/dvc.lock")
    assert before == _content("project")
    _append("dvc.lock")  # of another project
    assert before != _content("project")


def test_a_repository_without_a_commit_has_a_tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    empty = _content()
    _append("code.py")
    assert empty != _content()
    assert "a repository without a commit with uncommitted changes" == str(source_tree.read(Path()))


def test_outside_of_a_repository_there_is_no_tree(tmp_path):
    assert source_tree.read(tmp_path) is None
