"""A real Bento of a toy problem, built in two clones and served by an agent in its own Python environment.

To kill more builds: BUILD_KILLS=20 pytest tests/delivery/test_bento.py -k killed -s
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.agent import processes, supervision
from slipway.agent.agent import Agent
from slipway.agent.follower import Follower
from slipway.deployment import smoke
from slipway.dvc.files import blobs
from slipway.environment.place import Place
from slipway.errors import UserError
from slipway.release import manifest, publish
from slipway.release.store.folder import FolderStore
from slipway.settings import read_settings
from tests import preloaded
from tests.delivery.conftest import Project, create, git, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("BUILD_KILLS", "1"))
KILL_SECONDS_MAX = 300  # for one kill and the next build, on a busy machine
SEED = 5
COPIED = ("pyproject.toml", "uv.lock", "bentofile.yaml", "dvc.yaml", "README.md")
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
NEEDED = {"prepare": "build/prepared", "train": "build/trained", "export": "model"}
MANIFEST = {
    *("format", "version", "commit", "built", "previous", "inputs", "files"),
    *("metrics", "champion", "report", "sbom", "service", "build"),
}
TRAIN = """
from pathlib import Path
from slipway.pipeline.prepare import prepare
from slipway.pipeline.train import train
from slipway.pipeline.export import export
prepare(*map(Path, {prepare}))
train(*map(Path, {train}))
export(*map(Path, {export}))
"""


def _python(root: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = preloaded.python(*arguments, cwd=root, env=environment)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _make_toy(root: Path, trusted_types: Sequence[str] = (), **sources: str) -> None:
    """Turn the project into one of the toy problem with this repository's engine, and train it.

    `sources` are appended to files in `src`.
    """
    for name in COPIED:
        shutil.copy(ROOT / name, root / name)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src/slipway", root / "src/slipway", ignore=unwanted)
    shutil.copytree(ROOT / "tests/problems/toy_regression/problem", root / "src/problem", ignore=unwanted)
    for name, text in sources.items():
        with (root / "src" / name).open("a") as file:
            file.write(text)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["split"], params["model"] = {"test_ratio": 0.3}, {"max_iter": 20}
    params["export"]["trusted_types"] += trusted_types
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / ".gitignore").write_text("/build\n/data\n/model\n/results\n__pycache__\n")
    _train(root)


def _train(root: Path) -> None:
    draw = np.random.default_rng(7)
    size, machine = draw.uniform(0, 100, 1000), draw.choice(["small", "large"], 1000)
    frame = pd.DataFrame({"size": size, "machine": machine, "seconds": size * np.where(machine == "small", 2.0, 0.5)})
    (root / "data").mkdir()
    frame.to_csv(root / "data/jobs.csv", index=False)
    shutil.rmtree(root / "model")
    _python(root, "-c", TRAIN.format(**{stage: STAGES[stage]["cmd"].split()[3:] for stage in NEEDED}))
    outs = {stage: {"outs": [{"path": path, "md5": blobs(root / path)[0]}]} for stage, path in NEEDED.items()}
    outs["export"]["outs"].append({"path": "metrics/export.json", "md5": "1"})
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": outs}))


def _flips_not_found(built: manifest.Release) -> set[str]:
    """Return the files in which a flipped byte is not detected."""
    passed = set()
    for file in [path for path in built.folder.rglob("*") if path.is_file()]:
        whole = file.read_bytes()
        file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:] if whole else b"x")
        with contextlib.suppress(UserError):
            manifest.verify(built.folder, built.digest)
            passed.add(file.name)
        file.write_bytes(whole)
    return passed


def _poison_bentos(built: Path, home: Path) -> Path:
    """Create a BentoML home that already has this release with a different service."""
    about = yaml.safe_load((built / "bento/bento.yaml").read_text())
    bento = home / "bentos" / about["name"] / about["version"]
    shutil.copytree(built / "bento", bento)
    (bento / "src/slipway/serving/service.py").write_text("evil = True\n")
    return home


def _copy(trained: Path, folder: Path) -> None:
    """Copy a project and its origin into `folder`."""
    for name in ("project", "origin.git"):
        shutil.copytree(trained / name, folder / name, symlinks=True)
    git(folder / "project", "remote", "set-url", "origin", str(folder / "origin.git"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with the trained toy project and its origin."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle(folder, monkeypatch)
        project = create(folder)
        _make_toy(project.root)
        project.commit()
    return folder


@pytest.fixture
def toy(trained, tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    _copy(trained, tmp_path)
    monkeypatch.chdir(tmp_path / "project")
    return Project(tmp_path / "project", tmp_path / "origin.git", FolderStore(tmp_path / "store"))


def test_the_build_is_reproducible_and_the_release_serves_its_recorded_predictions(toy, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(toy.origin), str(clone)], check=True)
    for folder in ("model", "build", "metrics"):
        shutil.copytree(toy.root / folder, clone / folder, dirs_exist_ok=True)
    _python(toy.root, "-m", "slipway.cli", "release", "build")
    monkeypatch.setenv("BENTOML_HOME", str(_poison_bentos(toy.root / "build/release", tmp_path / "bentoml")))
    _python(clone, "-m", "slipway.cli", "release", "build")
    built = manifest.verify(toy.root / "build/release")
    assert built.digest == manifest.digest_of(clone / "build/release")
    assert blobs(toy.root / "model")[0] == built.manifest.inputs.model
    assert MANIFEST == built.manifest.content().keys()
    assert ["machine", "size"] == sorted(
        manifest.read_contract(built.folder)["components"]["schemas"]["Row"]["required"]
    )
    assert set() == _flips_not_found(built)

    publish.publish(toy.root, built.folder, toy.store)
    toy.promote("v0.1.0")
    place = Place.of("staging")
    follower, settings = Follower(place.mirror, str(toy.origin), "staging"), read_settings()
    agent = Agent(place, follower, toy.store, settings.agent, settings.canary)
    try:
        supervision.run_once(agent, timeout_seconds=120)
        (instance,) = agent.state.instances
        assert {instance.pid: instance.tag} == processes.tagged(instance.tag)  # without a supervisor
        assert 0 == smoke.smoke(toy.environment("staging"), toy.store)
        manifest.verify(place.releases / agent.state.serving.digest.removeprefix("sha256:"))
    finally:
        supervision.stop(place, timeout_seconds=10)


OUTSIDE = """
from sklearn.base import BaseEstimator, RegressorMixin
class Mean(RegressorMixin, BaseEstimator):
    def fit(self, features, target):
        self.mean_ = float(target.mean())
        return self
    def predict(self, features):
        return [self.mean_] * len(features)
"""
USE_OUTSIDE = """
def build_model(params):
    from tiny_trees import Mean
    return Mean()
"""


def test_a_model_that_imports_what_the_release_lacks_fails_the_build_in_one_line(project):
    sources = {"tiny_trees.py": OUTSIDE, "problem/__init__.py": USE_OUTSIDE}  # the Bento has no other module in src
    _make_toy(project.root, ["tiny_trees.Mean"], **sources)
    project.commit()
    environment = os.environ | {"PYTHONPATH": str(project.root / "src")}
    done = preloaded.run("release", "build", cwd=project.root, env=environment)
    assert (2, "") == (done.returncode, done.stdout)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(
        "slipway: v0.1.0: fails with the packages that it installs: it does not start; its log ends with: "
    )
    assert "No module named 'tiny_trees'; run `uv add --group problem` with the package of tiny_trees" in line
    assert not (project.root / "build/release").exists()


def _world(trained: Path, folder: Path) -> Path:
    """Copy the project with its own origin and store, and return the folder of all three."""
    _copy(trained, folder)
    (folder / "temporary").mkdir()
    return folder


def _release(world: Path) -> subprocess.Popen[str]:
    """Start the build and publication of a release in its own session."""
    slipway = f"{sys.executable} -m slipway.cli release"
    own = {"PYTHONPATH": str(world / "project/src"), "SLIPWAY_STORE": (world / "store").as_uri()}
    own |= {"TMPDIR": str(world / "temporary")}
    return subprocess.Popen(
        ["bash", "-c", f"{slipway} build && {slipway} publish"],
        cwd=world / "project",
        env=os.environ | own,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _released(world: Path) -> dict[str, str]:
    """Build and publish a release; return its digests and its refs in git."""
    process = _release(world)
    output = process.communicate()[0]
    assert 0 == process.returncode, output
    refs = git(world / "origin.git", "for-each-ref", "--format=%(refname) %(tree) %(*tree)")
    stored = {path.name: manifest.verify(path).digest for path in (world / "store").glob("[!.]*")}
    return {"refs": refs, "built": manifest.verify(world / "project/build/release").digest, **stored}


@pytest.mark.timeout((KILLS + 1) * KILL_SECONDS_MAX)
def test_the_build_after_a_killed_one_gives_the_same_release(trained, tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    start = time.monotonic()
    clean = _released(_world(trained, tmp_path / "clean"))
    seconds, draw = time.monotonic() - start, random.Random(SEED)
    assert {"refs", "built", "v0.1.0"} == set(clean)
    for kill in range(KILLS):
        world, moment = _world(trained, tmp_path / f"killed-{kill}"), draw.uniform(0, seconds)
        process = _release(world)
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert clean == _released(world), f"killed after {moment:.2f} of {seconds:.2f} s"
        assert [] == list((world / "temporary").glob("*/release")), "orphan of the killed build"
        print(f"killed after {moment:.2f} of {seconds:.2f} s, then identical")
        shutil.rmtree(world)
