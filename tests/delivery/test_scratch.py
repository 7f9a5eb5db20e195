"""The next process removes the scratch folders of killed processes, but not those of running ones."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from slipway.release.scratch import scratch

HOLD = """
import sys, time
from slipway.release.scratch import scratch
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


def test_the_folder_of_a_running_process_stays(other):
    with scratch("build"):
        pass
    assert (other[1] / "file").exists()


def test_the_folder_of_a_killed_process_is_removed(other):
    process, orphan = other
    process.kill()
    process.wait()
    with scratch("build") as folder:
        assert [folder] == list(orphan.parent.iterdir())


def test_a_folder_that_was_reaped_before_it_was_locked_is_created_again(temporary, monkeypatch):
    make, made = tempfile.mkdtemp, []

    def make_and_lose(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose)
    with scratch("build") as folder:
        assert [folder] == list(temporary.iterdir())


def test_folders_of_other_operations_and_programs_stay(temporary):
    others = {temporary / "slipway-serve-1", temporary / "tmp1"}
    for folder in others:
        folder.mkdir()
    (temporary / "slipway-build-link").symlink_to(temporary / "tmp1")
    with scratch("build"):
        pass
    assert {*others, temporary / "slipway-build-link"} == set(temporary.iterdir())


def test_the_folder_is_removed_after_success_and_after_a_failure(temporary):
    with pytest.raises(ValueError, match="no"), scratch("build"):
        raise ValueError("no")
    assert [] == list(temporary.iterdir())
