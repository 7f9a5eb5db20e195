"""Tests of DVC's calls in this process: results, silence and errors like those of a process, without its start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from slipway.dvc import cache, command, in_process
from slipway.errors import ToolError


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a folder with a file under DVC, pushed to a remote inside it; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("a")
    for call in (
        ("init", "--no-scm", "--quiet"),
        ("remote", "add", "--default", "--quiet", "store", "store"),
        ("add", "data", "--quiet"),
        ("push", "--quiet"),
    ):
        command.read(*call)
    return tmp_path


def _remove(project: Path) -> None:
    for path in sorted([*(project / ".dvc/cache").rglob("*"), project / "data/a"], reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_data_is_fetched_and_checked_out_without_a_process(project, monkeypatch, capfd):
    _remove(project)
    monkeypatch.setattr(command, "DVC", "/no/such/program")
    in_process.fetch(["data.dvc"])
    in_process.checkout(["data.dvc"], force=False)
    assert "a" == (project / "data/a").read_text()
    assert ["2 objects fetched", "data/: modified"] == capfd.readouterr().out.splitlines()


@pytest.mark.parametrize("options", [(), ("--local",)])
def test_the_cache_is_the_one_that_dvc_reports(project, tmp_path, options):
    if options:
        command.read("cache", "dir", *options, str(tmp_path / "elsewhere"))
    assert Path(command.read("cache", "dir").strip()) == cache.folder()


def test_a_changed_file_is_kept_without_force(project):
    (project / "data/b").write_text("b")
    with pytest.raises(ToolError, match=r"^dvc checkout data.dvc: Can't remove the following unsaved files .*/data/b$"):
        in_process.checkout(["data.dvc"], force=False)
    assert (project / "data/b").exists()
    in_process.checkout(["data.dvc"], force=True)
    assert not (project / "data/b").exists()


def test_a_folder_without_dvc_is_an_error_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match=r"^dvc cache dir: you are not inside of a DVC repository.*$"):
        in_process.cache_folder()


def test_a_full_disk_is_named_from_what_dvc_logs(project, monkeypatch):
    def fail(self, **_):
        try:
            raise OSError(28, "No space left on device", "/cache/a")
        except OSError:
            logging.getLogger("dvc_data").exception("failed to transfer 'a'")
        raise OSError("transfer failed")

    monkeypatch.setattr("dvc.repo.Repo.fetch", fail)
    with pytest.raises(ToolError, match=r"^dvc fetch data.dvc: /cache/a: No space left on device; free some space"):
        in_process.fetch(["data.dvc"])


def test_the_handlers_of_dvc_are_back_after_a_call(project):
    in_process.cache_folder()
    before = [logging.getLogger(name).handlers for name in in_process.LOGGERS]
    in_process.cache_folder()
    assert before == [logging.getLogger(name).handlers for name in in_process.LOGGERS]
    assert not any(isinstance(handler, in_process._Reasons) for handlers in before for handler in handlers)
