"""Tests of `slipway train` on broken lock files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway import results
from slipway.errors import UnreadableFileError
from slipway.pipeline import run

CONFLICT = "schema: '2.0'\n<<<<<<< HEAD\nstages:\n=======\nstages: {}\n>>>>>>> other\n"


@pytest.mark.parametrize("text", ["", CONFLICT, "schema: '2.0'\nstages:\n  a: [", "schema: '2.0'\n"])
def test_a_broken_lock_file_is_one_line_with_the_fix(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"dvc\.lock: empty, truncated or in conflict; `git checkout"):
        run.train()
    assert "dvc.lock" in results.read()["train"].error


def test_an_unreadable_base_is_reported_and_no_stage_counts_as_up_to_date(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    run._use_lock_of_base()
    assert not Path("dvc.lock").exists()
    assert (
        "origin/main: no such branch in this clone; run `git fetch origin`), so every stage" in capsys.readouterr().err
    )
