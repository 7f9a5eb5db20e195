"""The verb `train` on lock files that are not what they should be."""

from __future__ import annotations

import pytest

from slipway import results
from slipway.errors import UserError
from slipway.pipeline import run

CONFLICT = "schema: '2.0'\n<<<<<<< HEAD\nstages:\n=======\nstages: {}\n>>>>>>> other\n"


@pytest.mark.parametrize("text", ["", CONFLICT, "schema: '2.0'\nstages:\n  a: [", "schema: '2.0'\n"])
def test_a_broken_lock_file_is_one_line_with_the_mend(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.lock: empty, truncated or in conflict; `git checkout"):
        run.train()
    assert "dvc.lock" in results.read()["train"].error
