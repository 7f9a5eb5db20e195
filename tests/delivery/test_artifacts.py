"""GTO and DVC read the model registry from the URL of the repository, without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from slipway.dvc.files import blobs


@pytest.fixture
def registry(project):
    """Return a project with a release in production and a newer one in no environment, readable by DVC."""
    pipeline = yaml.safe_load((project.root / "dvc.yaml").read_text())
    pipeline["stages"]["evaluate"] |= {"cmd": "true", "outs": ["model"]}
    (project.root / "dvc.yaml").write_text(yaml.safe_dump(pipeline) + "# why\n")
    _lock(project)
    project.publish("v0.1.0")
    project.promote("v0.1.0", "production")
    (project.root / "model/model.onnx").write_text("a better model")
    _lock(project)
    project.publish("v0.2.0")
    return project


def _lock(project) -> None:
    outs = [
        {"path": "model", "md5": blobs(project.root / "model")[0]},
        {"path": "metrics/evaluate.json", "md5": "1" * 32},
    ]
    stages = {"evaluate": {"cmd": "true", "outs": outs}}
    (project.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def _run(folder, *command: str) -> str:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("which", "model"), [(("--stage", "production"), "a model"), (("--rev", "v0.2.0"), "a better model")]
)
def test_dvc_gets_a_model_by_stage_or_by_version(registry, tmp_path, which, model):
    _run(tmp_path, "dvc", "artifacts", "get", registry.origin.as_uri(), "model", *which, "--out", "got")
    assert {"model.onnx": model, "signature.json": "{}"} == {
        file.name: file.read_text() for file in (tmp_path / "got").iterdir()
    }


def test_gto_shows_versions_and_stages(registry, tmp_path):
    output = _run(tmp_path, "gto.cli", "show", "--repo", registry.origin.as_uri(), "--json")
    model = yaml.safe_load(output)["model"]
    assert ("v0.2.0", {"production": "v0.1.0"}) == (model["version"], model["stage"])


def test_a_release_commit_changes_only_the_path_of_the_model_in_the_pipeline(registry):
    before = (registry.root / "dvc.yaml").read_text()
    commit = registry.branch.published("v0.2.0").commit
    assert before.replace("path: model", "path: released/model") == registry.git("show", f"{commit}:dvc.yaml") + "\n"
