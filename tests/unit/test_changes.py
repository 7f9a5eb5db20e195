"""Changes of a pull request, in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.pull_request import branch_changes

POINTER = "outs:\n- md5: {md5}\n  size: {size}\n  nfiles: 9\n  path: data\n"


def _git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments], check=True, capture_output=True
    )


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _git("init", "-q", "-b", "main")
    Path("params.yaml").write_text("model:\n  trees: 1\n  depth: 2\n")
    Path("data.dvc").write_text(POINTER.format(md5="a.dir", size=10))
    _git("add", ".")
    _git("commit", "-qm", "base")
    _git("switch", "-qc", "change")


def _commit(name: str, text: str) -> None:
    Path(name).write_text(text)
    _git("add", ".")
    _git("commit", "-qm", "change")


def test_a_changed_a_new_and_a_removed_parameter_are_found(repository):
    _commit("params.yaml", "model:\n  trees: 5\n  rate: 0.1\n")
    expected = {"model.trees": (1, 5), "model.rate": (None, 0.1), "model.depth": (2, None)}
    assert expected == branch_changes.since("main").parameters


def test_changed_data_are_found(repository):
    _commit("data.dvc", POINTER.format(md5="b.dir", size=12))
    assert {"version": ("a.dir", "b.dir"), "bytes": (10, 12)} == branch_changes.since("main").data


def test_changes_on_main_do_not_count(repository):
    _git("switch", "-q", "main")
    _commit("params.yaml", "model:\n  trees: 9\n  depth: 2\n")
    _git("switch", "-q", "change")
    assert {} == branch_changes.since("main").parameters


def test_an_unknown_base_is_none(repository):
    assert branch_changes.since("origin/main").base is None


def test_broken_yaml_has_no_parameters_and_does_not_stop_the_report(repository):
    Path("params.yaml").write_text("a: [")
    assert {"model.trees": (1, None), "model.depth": (2, None)} == branch_changes.since("main").parameters


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["README.md"], True),
        (["README.md", "docs/picture.svg"], True),
        (["README.md", "params.yaml"], False),
        (["src/docs/module.py"], False),
        ([], False),
    ],
)
def test_a_change_of_documentation_only_is_recognized(repository, files, expected):
    for name in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        _commit(name, "new")
    assert expected == branch_changes.documentation_only("main")


def test_without_a_base_nothing_counts_as_documentation(repository):
    _commit("README.md", "new")
    assert not branch_changes.documentation_only("origin/main")
