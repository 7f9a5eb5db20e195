"""A training that is killed continues from its checkpoint, and writes the model of an undisturbed one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import boto3
import fsspec
import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.pipeline import checkpoint
from slipway.pipeline.checkpoint import Checkpoint
from tests.delivery import emulators

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_checkpoints"
ROUNDS = 12
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
FORKS = """
import os, sys
from pathlib import Path
from slipway.pipeline.train import train
paths, runs = [Path(path) for path in sys.argv[1].split()], sys.argv[2:]
for root, kill_after in zip(runs[::2], runs[1::2]):
    if not (child := os.fork()):
        try:
            os.chdir(root)
            os.environ["KILL_AFTER"] = kill_after
            train(*paths)
            os._exit(0)
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def project(tmp_path):
    """Return a function that makes a folder with prepared rows and parameters for a kind of model."""

    def make(kind: str, name: str) -> Path:
        draw, root = np.random.default_rng(3), tmp_path / name
        size, machine = draw.uniform(0, 100, 400), draw.choice(["small", "large"], 400)
        rows = pd.DataFrame({"size": size.astype(np.float32), "machine": machine, "seconds": size * 2.0})
        for part in ("train", "test"):
            (root / "build/prepared").mkdir(parents=True, exist_ok=True)
            rows.to_parquet(root / f"build/prepared/{part}.parquet")
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params |= {"split": {}, "model": {"kind": kind, "rounds": ROUNDS}}
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        return root

    return make


def _train(*runs: tuple[Path, int]) -> list[int]:
    """Run the stage as dvc.yaml does in each folder, killed after a number of rounds; return the exit codes."""
    words = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["train"]["cmd"].split()
    assert ["python", "-m", "slipway.pipeline.train"] == words[:3]
    arguments = [word for root, kill_after in runs for word in (str(root), str(kill_after))]
    command = [sys.executable, "-c", FORKS, " ".join(words[3:]), *arguments]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(PROBLEM)}, stdout=subprocess.PIPE, text=True, check=True
    )
    return [int(line) for line in done.stdout.split()]


def _resumed(root: Path) -> int:
    return json.loads((root / "build/checkpoints/resumed.json").read_text())["resumed"]


def _digest(root: Path) -> str:
    return hashlib.sha256((root / "build/trained/model.skops").read_bytes()).hexdigest()


XGBOOST = pytest.param(
    "xgboost", marks=pytest.mark.skipif(sys.platform != "linux", reason="the wheel of xgboost-cpu for the tests")
)


@pytest.mark.parametrize("kind", ["network", "trees", XGBOOST])
def test_a_training_that_is_killed_repeatedly_writes_the_same_model(project, kind):
    undisturbed, root = project(kind, "undisturbed"), project(kind, "killed")
    first, second = random.Random(kind).sample(range(1, ROUNDS // 2), 2)
    assert [0, -9, -9, 0] == _train((undisturbed, 0), (root, first), (root, second), (root, 0))
    assert _digest(undisturbed) == _digest(root)
    assert [0, 2] == [_resumed(undisturbed), _resumed(root)]
    assert ["resumed.json"] == [path.name for path in (root / "build/checkpoints").iterdir()]


@pytest.fixture
def bucket(monkeypatch):
    """Point fsspec to a fake S3, and return the URL of a folder in its bucket."""
    with emulators.aws() as url:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="flights")
        yield "s3://flights/checkpoints"


def test_another_machine_continues_from_the_checkpoint_in_a_bucket(project, bucket, monkeypatch):
    undisturbed, lost, other = (project("trees", name) for name in ("undisturbed", "lost", "other"))
    monkeypatch.setenv("SLIPWAY_CHECKPOINTS", bucket)
    assert [0, -9, 0] == _train((undisturbed, 0), (lost, 4), (other, 0))
    assert not (lost / "build/checkpoints").exists()
    assert [0, 1] == [_resumed(undisturbed), _resumed(other)]
    assert _digest(undisturbed) == _digest(other)
    assert 0 == boto3.client("s3").list_objects_v2(Bucket="flights")["KeyCount"]


def test_a_training_with_another_parameter_starts_from_the_beginning(project):
    root, other = project("trees", "changed"), project("trees", "other")
    params = (other / "params.yaml").read_text()
    (other / "params.yaml").write_text(params.replace(f"rounds: {ROUNDS}", "rounds: 5"))
    (other / "build/checkpoints").symlink_to(root / "build/checkpoints")
    assert [-9, 0] == _train((root, 3), (other, 0))
    assert 0 == _resumed(other)


@pytest.mark.parametrize("change", ["code", "packages", "params", "rows"])
def test_the_name_depends_on_every_input(tmp_path, monkeypatch, change):
    rows, source = tmp_path / "train.parquet", tmp_path / "problem/__init__.py"
    source.parent.mkdir()
    source.write_text("")
    rows.write_text("rows")
    monkeypatch.setattr(checkpoint.problem, "__file__", str(source))
    params = {"model": {"rounds": 1}}
    before = checkpoint.key(rows, params)
    assert before == checkpoint.key(rows, params)
    if change == "rows":
        rows.write_text("other")
    if change == "code":
        (source.parent / "model.py").write_text("")
    if change == "params":
        params["model"]["rounds"] = 2
    if change == "packages":
        monkeypatch.setattr(checkpoint, "distributions", list)
    assert before != checkpoint.key(rows, params)


@pytest.fixture(params=["folder", "memory"])
def folder(request, tmp_path):
    """Return a folder of this machine, and one of a store."""
    yield str(tmp_path / "checkpoints") if request.param == "folder" else "memory://checkpoints"
    fsspec.filesystem("memory").store.clear()


def test_the_latest_state_is_loaded_and_counted(folder):
    assert Checkpoint(folder, "a").load() is None
    Checkpoint(folder, "a").save(b"first\n")
    for resumed in (1, 2):
        state = Checkpoint(folder, "a")
        assert (b"first\n" if resumed == 1 else b"next", resumed) == (state.load(), state.resumed)
        state.save(b"next")
    assert Checkpoint(folder, "b").load() is None
    state.remove()
    assert Checkpoint(folder, "a").load() is None


def test_a_damaged_or_renamed_checkpoint_is_not_used(folder):
    state = Checkpoint(folder, "a")
    state.save(b"content")
    content = state._files.cat_file(state._path)
    for damaged in (b"", content[:-1], content.replace(b" 0\n", b" 7\n"), b"\xff" + content):
        state._files.pipe_file(state._path, damaged)
        assert Checkpoint(folder, "a").load() is None
    state._files.pipe_file(state._path.replace("/a", "/b"), content)
    assert Checkpoint(folder, "b").load() is None


def test_a_checkpoint_that_cannot_be_saved_does_not_end_the_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    Checkpoint(str(tmp_path / "file"), "a").save(b"content")
    assert "train: the checkpoint cannot be saved (" in capsys.readouterr().err
