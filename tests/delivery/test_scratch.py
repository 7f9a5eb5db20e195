"""Folders of killed work are removed by the next; those of work that goes on are not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from slipway.delivery.scratch import scratch

HOLD = """
import sys, time
from slipway.delivery.scratch import scratch
with scratch("build") as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def other():
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_folder_of_work_that_goes_on_stays(other):
    with scratch("build"):
        pass
    assert (other[1] / "file").exists()


def test_folder_of_killed_work_is_removed_by_the_next(other):
    process, left = other
    process.kill()
    process.wait()
    with scratch("build") as folder:
        assert [folder] == list(left.parent.iterdir())


def test_folder_that_was_taken_before_it_was_held_is_made_anew(temporary, monkeypatch):
    make, made = tempfile.mkdtemp, []

    def make_and_lose(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose)
    with scratch("build") as folder:
        assert [folder] == list(temporary.iterdir())


def test_of_other_work_and_other_programs_nothing_is_removed(temporary):
    others = {temporary / "slipway-serve-1", temporary / "tmp1"}
    for folder in others:
        folder.mkdir()
    (temporary / "slipway-build-link").symlink_to(temporary / "tmp1")
    with scratch("build"):
        pass
    assert {*others, temporary / "slipway-build-link"} == set(temporary.iterdir())


def test_nothing_is_left_of_work_that_ends_or_fails(temporary):
    with pytest.raises(ValueError, match="no"), scratch("build"):
        raise ValueError("no")
    assert [] == list(temporary.iterdir())
