"""Tests of `slipway upgrade`: the engine becomes that of the later template, and the fork keeps its own files."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from slipway.errors import ArgumentError, WorkTreeError
from slipway.scaffold import upgrade, work_tree

TEMPLATE = {
    "src/slipway/pull_request/engine.py": "one\n",
    "src/problem/row.py": "carrier\n",
    "tests/problem/test_problem.py": "carrier\n",
    "params.yaml": "split: days\n\nserving: 1\n\n\nagent: 1\n",
    "dvc.lock": "hash of carriers\n",
    "data.dvc": "carriers\n",
    "metrics/evaluate.json": "0.7\n",
    "README.md": "Template\n",
    ".dvcstore/files/aa": "carriers\n",
    "pyproject.toml": "[project]\n",
    "uv.lock": "version 1\n",
}
FORK = {
    "src/problem/row.py": "species\n",
    "tests/problem/test_problem.py": "species\n",
    "params.yaml": "split: ratio\n\nserving: 1\n\n\nagent: 1\n",
    "dvc.lock": "hash of penguins\n",
    "data.dvc": "penguins\n",
    "metrics/evaluate.json": "0.9\n",
    "README.md": "Penguins\n",
    ".dvcstore/files/bb": "penguins\n",
    "uv.lock": "version 1, without the sample's\n",
}
LATER = {
    "src/slipway/pull_request/engine.py": "two\n",
    "src/slipway/new.py": "new\n",
    "src/problem/row.py": "carrier and plane\n",
    "src/problem/planes.py": "plane\n",
    "params.yaml": "split: days\n\nserving: 1\n\n\nagent: 1\n\nmonitoring: 1\n",
    "dvc.lock": "hash of carriers and engine two\n",
    "metrics/evaluate.json": "0.71\n",
    "README.md": "Template, improved\n",
    "uv.lock": "version 2\n",
}


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit(files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Return a template with an old and a new commit; the current folder is a fork's clone of the old one."""
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.invalid")
    monkeypatch.setattr(work_tree, "dvc", lambda *_: "{}")
    monkeypatch.setattr(
        work_tree, "uv", lambda *_: Path("uv.lock").write_text(f"{Path('uv.lock').read_text()}locked\n")
    )
    folder = tmp_path / "template"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet", "--initial-branch=main")
    commit(TEMPLATE, "Begin")
    git("clone", "--quiet", str(folder), str(tmp_path / "fork"))
    commit(LATER, "Improve")
    monkeypatch.chdir(tmp_path / "fork")
    git("remote", "rename", "origin", "template")
    return folder


@pytest.fixture
def fork(template):
    """Commit the fork's own files, and fetch the new commit of the template."""
    git("rm", "--quiet", ".dvcstore/files/aa")
    commit(FORK, "Make the template ours")
    git("fetch", "--quiet", "template")


def content(name: str) -> str:
    return Path(name).read_text()


def test_a_plain_merge_has_conflicts_in_generated_files(fork):
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "template/main")
    conflicts = git("diff", "--name-only", "--diff-filter=U").split()
    assert ["README.md", "dvc.lock", "metrics/evaluate.json", "src/problem/row.py", "uv.lock"] == conflicts


def test_the_engine_is_that_of_the_template(fork):
    upgrade.upgrade("template/main")
    assert ("two\n", "new\n") == (content("src/slipway/pull_request/engine.py"), content("src/slipway/new.py"))


def test_the_fork_keeps_problem_data_results_and_readme(fork):
    upgrade.upgrade("template/main")
    owned = {name: text for name, text in FORK.items() if name.startswith(upgrade.OWN)}
    assert owned == {name: content(name) for name in owned}
    assert not Path("src/problem/planes.py").exists()
    assert not Path(".dvcstore/files/aa").exists()


def test_a_new_section_of_params_is_added_to_the_forks_own_numbers(fork):
    upgrade.upgrade("template/main")
    assert "split: ratio\n\nserving: 1\n\n\nagent: 1\n\nmonitoring: 1\n" == content("params.yaml")


def test_the_lock_file_starts_from_the_templates_versions(fork):
    upgrade.upgrade("template/main")
    assert "version 2\nlocked\n" == content("uv.lock")


def test_the_user_commits_the_merge_and_a_second_upgrade_does_nothing(fork, capsys):
    upgrade.upgrade("template/main")
    assert "" == git("diff", "--name-only", "--diff-filter=U")
    git("commit", "--no-edit")
    assert "" == git("status", "--porcelain")
    assert 2 == len(git("log", "-1", "--format=%P").split())
    upgrade.upgrade("template/main")
    assert "template/main is already merged" in capsys.readouterr().out


def test_conflicts_are_named_and_left_to_the_user(fork, template):
    commit({"src/slipway/pull_request/engine.py": "mine\n"}, "Leave the seam")
    with pytest.raises(WorkTreeError, match=r"^src/slipway/pull_request/engine.py: changed on both sides"):
        upgrade.upgrade("template/main")
    assert "<<<<<<<" in content("src/slipway/pull_request/engine.py")
    assert "species\n" == content("src/problem/row.py")


def test_a_work_tree_with_changes_is_rejected_and_does_not_change(fork):
    Path("src/problem/row.py").write_text("uncommitted\n")
    with pytest.raises(WorkTreeError, match=r"^src/problem/row.py: not committed"):
        upgrade.upgrade("template/main")
    assert "uncommitted\n" == content("src/problem/row.py")


def test_an_unknown_branch_is_one_line(fork):
    with pytest.raises(ArgumentError, match="template/trunk: no such branch; `git remote add template URL`"):
        upgrade.upgrade("template/trunk")


def start_without_history(files: dict[str, str]) -> None:
    """Make a repository as GitHub does from the template's files, without its history."""
    git("checkout", "--quiet", "--orphan", "fresh")
    git("rm", "--quiet", "-r", "--cached", ".")
    commit(files, "Initial commit")
    git("rm", "--quiet", ".dvcstore/files/aa")
    commit(FORK, "Make the template ours")
    git("fetch", "--quiet", "template")


def test_a_repository_without_the_templates_history_is_joined_to_its_first_commit(template):
    start_without_history({})
    upgrade.upgrade("template/main")
    assert ("two\n", "species\n") == (content("src/slipway/pull_request/engine.py"), content("src/problem/row.py"))
    assert "split: ratio\n\nserving: 1\n\n\nagent: 1\n\nmonitoring: 1\n" == content("params.yaml")


def test_a_repository_with_other_first_files_is_rejected(template):
    start_without_history({"src/slipway/pull_request/engine.py": "another\n"})
    with pytest.raises(WorkTreeError, match="has no commit in common with this fork"):
        upgrade.upgrade("template/main")


REJECTING = 'raise SystemExit("params.yaml: agent.retries: missing; add a whole number")\n'


@pytest.mark.parametrize(
    ("validator", "refused"), [(REJECTING, True), ("import a_package_not_installed\n", False), ("", False)]
)
def test_the_merged_engine_validates_the_merged_parameters(fork, template, validator, refused):
    package = {"src/slipway/__init__.py": "", "src/slipway/settings/__init__.py": ""}
    with contextlib.chdir(template):
        commit(package | {"src/slipway/settings/__main__.py": validator}, "Validate")
    git("fetch", "--quiet", "template")
    expected = pytest.raises(
        WorkTreeError, match=r"^params\.yaml: agent\.retries: missing; .*; fix it, `git add params\.yaml`"
    )
    with expected if refused else contextlib.nullcontext():
        upgrade.upgrade("template/main")
    assert "two\n" == content("src/slipway/pull_request/engine.py")
