"""Content of the Bento: everything that serving needs, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.dvc.files import parse_pipeline

REPOSITORY = Path(__file__).parents[2]
TRAINING = ["pandas", "sklearn", "skl2onnx", "onnx", "deepchecks", "dvc", "pyarrow", "skops"]


def build(context: Path, home: Path) -> Path:
    command = [sys.executable, "-m", "bentoml", "build", "--version", "v1"]
    variables = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run(command, cwd=context, env=variables, check=True, capture_output=True, timeout=60)
    return home / "bentos" / "slipway" / "v1"


@pytest.fixture(scope="module")
def context(model_dir, tmp_path_factory) -> Path:
    """Input of the release builder: sources, parameters, locked requirements and a model."""
    folder = tmp_path_factory.mktemp("context")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(model_dir, folder / "model")
    for name in ("params.yaml", "bentofile.yaml"):
        shutil.copy(REPOSITORY / name, folder)
    (folder / "build").mkdir()
    (folder / "build" / "requirements.txt").write_text("numpy==2.4.6\n")
    return folder


@pytest.fixture(scope="module")
def bento(context, tmp_path_factory) -> Path:
    return build(context, tmp_path_factory.mktemp("home"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_included_file_exists_or_is_made_by_the_pipeline():
    patterns = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())["include"]
    pipeline = parse_pipeline((REPOSITORY / "dvc.yaml").read_text())
    made = {path for stage in pipeline.stages.values() for path, _ in stage.outputs}
    present = [pattern for pattern in patterns if not made & {pattern, str(Path(pattern).parent)}]
    assert len(patterns) - 2 == len(present)
    assert [] == [pattern for pattern in present if not list(REPOSITORY.glob(pattern))]


def test_it_contains_the_released_model(bento, model_dir):
    assert contents(model_dir) == contents(bento / "src" / "model")


def test_it_serves_without_the_packages_of_training(bento):
    """Import the service from the Bento without the packages of training, and without writing to it."""
    code = [
        "import sys",
        f"sys.modules.update(dict.fromkeys({TRAINING}))",
        "sys.path.insert(0, sys.argv[1])",
        "import slipway.serving.service as service",
        "assert service.__file__.startswith(sys.argv[1])",
    ]
    subprocess.run(
        [sys.executable, "-B", "-c", "; ".join(code), str(bento / "src")], cwd=bento / "src", check=True, timeout=30
    )


def test_it_judges_a_canary_without_the_packages_of_training(bento):
    """A job of Argo Rollouts runs the module in the image; without a Prometheus it rejects the names."""
    code = [
        "import runpy, sys",
        f"sys.modules.update(dict.fromkeys({TRAINING}))",
        "sys.argv = ['canary_job', '--prometheus=http://127.0.0.1:9', '--namespace=A', '--canary=c', '--baseline=b']",
        "runpy.run_module('slipway.serving.canary_job', run_name='__main__')",
    ]
    done = subprocess.run(
        [sys.executable, "-B", "-c", "; ".join(code)],
        cwd=bento / "src",
        env=os.environ | {"PYTHONPATH": str(bento / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (1, "A: not a name in Kubernetes; give the name of a ReplicaSet or a namespace\n") == (
        done.returncode,
        done.stderr,
    )


def test_two_builds_differ_only_in_the_creation_time(bento, context, tmp_path):
    first, second = contents(bento), contents(build(context, tmp_path))
    assert {"bento.yaml"} == {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    lines = [set(files["bento.yaml"].decode().splitlines()) for files in (first, second)]
    assert {"creation_time"} == {line.split(":")[0] for line in lines[0] ^ lines[1]}
