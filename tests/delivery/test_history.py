"""What was trained, released and decided is read back from git and the store, and a release can be made again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from slipway.delivery import evidence, promotion
from slipway.errors import UserError
from slipway.gates import Outcome
from slipway.git import Git
from slipway.history import reproduce, text
from slipway.history.entries import HERE, History
from slipway.results import recorded
from tests import params

TRAIN = """
import os, pathlib
folder = pathlib.Path("model")
folder.mkdir(exist_ok=True)
(folder / "model.onnx").write_text("a model" + os.environ.get("LUCK", ""))
(folder / "signature.json").write_text("{}")
"""
BUILD = """
import pathlib, shutil
from slipway import results
from slipway.delivery import release
from slipway.delivery.dvc_files import blobs
from slipway.git import Git
out, commit = pathlib.Path("build/release"), Git(pathlib.Path()).run("rev-parse", "HEAD")
shutil.copytree("model", out / "model")
release.write(out / "model/release.json", {"version": "v0.1.0", "commit": commit, "files": {}})
for name in ("smoke.json", "sbom.cdx.json", "pylock.toml"):
    (out / name).write_text("{}")
shutil.copy("dvc.lock", out)
shutil.copytree("metrics", out / "metrics")
champion = results.read()["compare"].evidence["champion"]
model = {"model": blobs(pathlib.Path("model"))[0]}
release.seal(out, {"version": "v0.1.0", "commit": commit, "inputs": model, "metrics": {}, "champion": champion})
"""
CHAMPION = {"version": "v0.0.9", "digest": "sha256:0", "commit": "c0ffee"}


def _change(project, seed: int, auc: float) -> None:
    """Another parameter, and what came of it."""
    path = project.root / "params.yaml"
    path.write_text(params.text({"seed": seed, "gates": {"primary": "roc_auc"}}, path))
    (project.root / "metrics/evaluate.json").write_text(json.dumps({"model": {"roc_auc": auc}}))


def _keep(project, version: str, by: str) -> None:
    """What the jobs of a deployment leave beside the release."""
    for job, said in {"build": {"by": by, "run": "by hand"}, "compare": {"champion": CHAMPION}}.items():
        with recorded(job) as result:
            result.evidence = {"release": version, **said}
    evidence.store_results(project.store, version)


@pytest.fixture
def told(project):
    """Two releases, the second a canary that took over from the first."""
    _change(project, seed=1, auc=0.7)
    project.publish("v0.1.0")
    _keep(project, "v0.1.0", "ada")
    project.promote("v0.1.0", "production")
    _change(project, seed=2, auc=0.75)
    project.publish("v0.2.0")
    project.promote("v0.2.0", "production")
    return project


def entries(project) -> dict:
    return {one.name: one for one in History(Git(project.root), project.store).entries(10)}


def test_each_release_is_listed_with_who_made_it_of_what_and_what_became_of_it(told):
    found = entries(told)["v0.1.0"]
    published = told.branch.published("v0.1.0")
    assert (published.digest, published.built_from, "ada") == (found.digest, found.commit, found.by)
    assert ("v0.0.9", 1, 0.7) == (
        found.champion,
        found.files.parameters["seed"],
        found.files.metrics["evaluate.model.roc_auc"],
    )
    assert found.files.outputs.keys() == {"model", "metrics/evaluate.json"}
    assert ["production: promoted", "production: left for v0.2.0"] == [line[:-24] for line in found.decisions]


def test_a_run_that_became_no_release_is_listed_by_its_commit(told):
    lock = told.root / "dvc.lock"
    lock.write_text(lock.read_text() + "# again\n")
    commit = told.commit()
    found = entries(told)
    assert (commit, "Change change.txt") == (found[commit[:12]].commit, found[commit[:12]].because)
    assert found.keys() >= {"v0.1.0", "v0.2.0"}


def test_a_commit_whose_lock_is_broken_is_listed_all_the_same(told):
    (told.root / "dvc.lock").write_text("stages: [")
    commit = told.commit()
    assert {} == entries(told)[commit[:12]].files.outputs


def test_the_last_run_here_is_listed_before_it_is_committed(told):
    with recorded("train") as result:
        result.evidence = {"by": "grace", "stages": {"train": 1.5}}
    found = entries(told)[HERE]
    assert ("grace", {"train": 1.5}) == (found.by, found.jobs["train"]["stages"])


def test_the_table_has_a_line_for_each(told):
    lines = text.table(list(entries(told).values())).splitlines()
    (line,) = [line for line in lines if line.startswith("v0.1.0")]
    assert all(word in line for word in ("ada", "roc_auc 0.7000", "v0.0.9", "left for v0.2.0"))


@pytest.mark.parametrize("after", ["v0.2.0", HERE, "HEAD"])
def test_two_of_them_are_compared_by_parameters_metrics_and_commits(told, after):
    found = History(Git(told.root), told.store).diff("v0.1.0", after)
    assert {"seed": (1, 2)} == found["parameters"]
    assert {"evaluate.model.roc_auc": (0.7, 0.75)} == found["metrics"]
    assert ["+ Change change.txt"] == [f"{line[0]} {line[10:]}" for line in found["commits"]]
    assert "seed: 1 → 2" in text.diff(found)


def test_a_name_that_nobody_knows_is_one_line(told):
    with pytest.raises(UserError, match="v0-9: neither a release nor a commit"):
        History(Git(told.root), told.store).diff("v0-9", HERE)


@pytest.fixture
def made(project):
    """A release whose commit holds the scripts that made it."""
    (project.root / "train.py").write_text(TRAIN)
    (project.root / "build.py").write_text(BUILD)
    (project.root / ".gitignore").write_text("/model\n/results\n/build\n")
    project.commit()
    with recorded("compare") as result:
        result.evidence = {"champion": CHAMPION}
    for script in ("train.py", "build.py"):
        subprocess.run([sys.executable, script], cwd=project.root, check=True)
    promotion.publish(project.root, project.root / "build/release", project.store)
    project.commit()
    return project


def _again(project, folder):
    return reproduce.reproduce(project.root, "v0.1.0", folder, project.store, ["train.py"], ["build.py"])


def test_a_release_is_made_again_from_its_commit_with_the_same_digest(made, tmp_path):
    found = _again(made, tmp_path / "again")
    assert (Outcome.PASS, {}) == (found.verdict.outcome, found.differences)
    assert found.published.digest == found.again.digest


def test_a_training_that_is_not_reproducible_is_found_and_the_file_named(made, tmp_path, monkeypatch):
    monkeypatch.setenv("LUCK", "!")
    found = _again(made, tmp_path / "again")
    assert {"inputs.model", "files.model/model.onnx"} == found.differences.keys()
    assert (Outcome.FAIL, True) == (found.verdict.outcome, "another model" in found.verdict.reason)
    assert any(line.startswith("  model/model.onnx: published ") for line in reproduce.text(found))


def test_a_step_that_fails_is_one_line_with_its_last_word(made, tmp_path):
    with pytest.raises(UserError, match=r"nothing\.py in .*again: .*No such file"):
        reproduce.reproduce(made.root, "v0.1.0", tmp_path / "again", made.store, ["nothing.py"], ["build.py"])
