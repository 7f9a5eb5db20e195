"""Tests of the stage `parameters`: it distinguishes `1` and `1.0`, or `true` and `1`, which are equal to DVC."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.errors import SettingError
from slipway.pipeline.parameters import parameters
from tests import params

ROOT = Path(__file__).parents[2]


def written(folder: Path, **model: object) -> str:
    (folder / "params.yaml").write_text("# why\n" + params.text({"model": model}))
    parameters(folder / "params.yaml", [folder / "model.yaml"])
    return (folder / "model.yaml").read_text()


@pytest.mark.parametrize(
    ("left", "right"), [(1, 1.0), (True, 1), (0.0, False), ([1], [1.0]), ({"a": 1}, {"a": True}), ("1", 1)]
)
def test_a_value_of_another_type_changes_the_file(tmp_path, left, right):
    assert written(tmp_path, max_features=left) == written(tmp_path, max_features=left)
    assert written(tmp_path, max_features=left) != written(tmp_path, max_features=right)


def test_another_section_does_not_change_the_file(tmp_path):
    before = written(tmp_path)
    (tmp_path / "params.yaml").write_text(params.text({"gates": {"margin": 0.5}}))
    parameters(tmp_path / "params.yaml", [tmp_path / "model.yaml"])
    assert before == (tmp_path / "model.yaml").read_text()


def test_an_invalid_file_is_refused_before_any_stage_runs(tmp_path):
    (tmp_path / "params.yaml").write_text(params.text({"gates": {"marge": 0.5}}))
    with pytest.raises(SettingError, match=r"gates\.marge: no such key; did you mean gates\.margin\?"):
        parameters(tmp_path / "params.yaml", [tmp_path / "model.yaml"])


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a DVC repository with this stage, and a stage that depends on `model` as `train` does."""
    shipped = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    (deps,) = [[dep for dep in shipped["train"]["deps"] if "parameters" in dep]]
    code = shipped["parameters"] | {"deps": ["params.yaml"]}
    train = {"cmd": "echo ran >> runs", "deps": deps, "params": ["model"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"parameters": code, "train": train}}))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return tmp_path


def _repro(project: Path, model: dict[str, object]) -> int:
    """Reproduce the pipeline with `model`, and return the total number of runs of the stage."""
    (project / "params.yaml").write_text(params.text({"model": model}))
    subprocess.run(["dvc", "repro", "--quiet"], cwd=project, check=True)
    return len((project / "runs").read_text().splitlines())


def test_dvc_reruns_a_stage_when_only_a_type_changes(project):
    assert [1, 2] == [_repro(project, {"max_features": value}) for value in (1, 1.0)]
