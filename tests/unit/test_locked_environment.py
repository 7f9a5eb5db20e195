"""Environments of hashed requirements: installed once for each content, and covered by the audit."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway import locked_environment
from slipway.errors import ToolError
from slipway.feature_store import REQUIREMENTS
from slipway.local import doctor
from slipway.supply_chain import audit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def requirements(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "tool.txt"
    path.write_text("tool==1.0 --hash=sha256:00\n")
    return path


def test_an_environment_is_installed_once_for_each_content(monkeypatch, requirements):
    calls = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        calls.append(command[2:4])
        if command[2] == "venv":
            Path(command[-1]).mkdir()
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(locked_environment, "subprocess", SimpleNamespace(run=run))
    python = locked_environment.python(requirements, "test")
    assert python == locked_environment.python(requirements, "test")
    assert locked_environment.is_installed(requirements)
    assert [["venv", "--clear"], ["pip", "sync"]] == calls
    requirements.write_text("tool==2.0 --hash=sha256:00\n")
    assert not locked_environment.is_installed(requirements)
    assert python != locked_environment.python(requirements, "test")


def test_a_failed_installation_is_reported(monkeypatch, requirements):
    failed = SimpleNamespace(returncode=1, stderr="no such package\n")
    monkeypatch.setattr(locked_environment, "subprocess", SimpleNamespace(run=lambda *_, **__: failed))
    with pytest.raises(ToolError, match="test: uv venv: no such package"):
        locked_environment.python(requirements, "test")
    assert not locked_environment.is_installed(requirements)


def test_the_audit_covers_the_packages_of_feast():
    assert REQUIREMENTS in [ROOT / path for path in audit.REQUIREMENTS]


@pytest.mark.parametrize(
    "path", [*audit.REQUIREMENTS, *audit.UNAUDITED, Path("tests/mlflow_server/mlflow.txt")], ids=str
)
def test_each_package_has_a_version_and_a_hash_and_no_index(path):
    content = (ROOT / path).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", content) if entry.strip()]
    assert entries
    assert all(re.match(r"[a-z0-9-]+==\S+ .*\\\n +--hash=sha256:", entry) for entry in entries)
    assert "://" not in content


def test_feast_has_the_versions_of_this_projects_requirements():
    """Both environments import `problem` and `slipway`."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = re.findall(r"^(\S+==\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    used = {entry.replace(".", "-", 1) if entry.startswith("ruamel") else entry for entry in required}
    assert {entry for entry in used if not entry.startswith("typer")} <= set(locked)


def test_doctor_states_whether_feast_is_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = locked_environment.folder(REQUIREMENTS)
    assert "the first command of `slipway features` installs it" in doctor._feature_store().observed
    folder.mkdir(parents=True)
    (folder / locked_environment.COMPLETE).touch()
    assert str(folder) == doctor._feature_store().observed
