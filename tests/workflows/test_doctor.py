"""`slipway doctor` on machines that lack something."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.local import doctor


def finding(subject: str, root: Path = Path()) -> doctor.Finding:
    (found,) = (line for line in doctor.examine(root) if line.subject == subject)
    return found


def test_machine_on_which_the_tests_run_lacks_nothing_that_is_needed(capsys):
    doctor.doctor()
    assert "MISSING" not in capsys.readouterr().out


def test_missing_data_is_named_with_its_mend(tmp_path):
    assert "`uv run dvc pull data.dvc`" == finding("data", tmp_path).mend


def test_missing_tool_is_named_with_its_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert ("install git", "make setup") == (finding("git").mend, finding("act").mend)


def test_no_identity_stops_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = finding("git identity", tmp_path)
    assert ("none", False) == (found.found, found.needed)


def test_full_disk_is_named(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    assert "free 3 GB" == finding("disk").mend


def test_what_is_needed_and_missing_ends_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="doctor: data checks, data missing"):
        doctor.doctor()
    assert "MISSING data " in capsys.readouterr().out
