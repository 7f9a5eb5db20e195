"""Runs, releases and promotions are read from git and the store, and a release can be rebuilt."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from slipway import results
from slipway.errors import ArgumentError, ToolError
from slipway.gates import Outcome
from slipway.gates.comparison_evidence import ComparisonEvidence, Released
from slipway.gates.training_evidence import TrainEvidence
from slipway.git import Git
from slipway.history import reproduce, text
from slipway.history.entries import HERE, History
from slipway.release import evidence, lifecycle, publish
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
from slipway.release import manifest as release
from slipway.dvc.files import blobs
from slipway.git import Git
out, commit = pathlib.Path("build/release"), Git(pathlib.Path()).run("rev-parse", "HEAD")
shutil.copytree("model", out / "model")
release.write(out / "model/release.json", {"version": "v0.1.0", "commit": commit, "files": {}})
for name in ("smoke.json", "sbom.cdx.json", "pylock.toml"):
    (out / name).write_text("{}")
shutil.copy("dvc.lock", out)
shutil.copytree("metrics", out / "metrics")
champion = results.find(results.COMPARE).evidence.champion.model_dump(mode="json")
inputs = dict.fromkeys(("data", "params", "requirements"), "0") | {"model": blobs(pathlib.Path("model"))[0]}
service, build = {"command": [], "environment": {}}, {"python": "3.11"}
facts = {"version": "v0.1.0", "commit": commit, "built": "2026-01-02", "inputs": inputs, "metrics": {}}
release.seal(out, release.Manifest(**facts, champion=champion, service=service, build=build))
"""
COMPARED = ComparisonEvidence(rows=0, champion=Released(version="v0.0.9", digest="sha256:0", commit="c0ffee"))


def _change(project, seed: int, auc: float) -> None:
    """Change a parameter and the metrics."""
    path = project.root / "params.yaml"
    path.write_text(params.text({"seed": seed, "gates": {"primary": "roc_auc"}}, path))
    (project.root / "metrics/evaluate.json").write_text(json.dumps({"model": {"roc_auc": auc}}))


def _keep(project, version: str, by: str) -> None:
    """Store the results that the jobs of a deployment keep with the release."""
    with recorded(lifecycle.BUILD) as result:
        result.evidence = evidence.BuildEvidence(release=version, by=by, run="by hand", machine="m", python="3.11")
    with recorded(results.COMPARE) as result:
        result.evidence = COMPARED
    evidence.store_results(project.store, version)


@pytest.fixture
def released(project):
    """Publish two releases; the second is a canary that replaced the first."""
    _change(project, seed=1, auc=0.7)
    project.publish("v0.1.0")
    _keep(project, "v0.1.0", "ada")
    project.promote("v0.1.0", "production")
    _change(project, seed=2, auc=0.75)
    project.publish("v0.2.0")
    project.promote("v0.2.0", "production")
    return project


def entries(project) -> dict:
    return {entry.name: entry for entry in History(Git(project.root), project.store).entries(10)}


def test_each_release_is_listed_with_its_author_inputs_and_decisions(released):
    entry = entries(released)["v0.1.0"]
    published = released.branch.published("v0.1.0")
    assert (published.digest, published.built_from, "ada") == (entry.digest, entry.commit, entry.by)
    assert ("v0.0.9", 1, 0.7) == (
        entry.champion,
        entry.files.parameters["seed"],
        entry.files.metrics["evaluate.model.roc_auc"],
    )
    assert entry.files.outputs.keys() == {"model", "metrics/evaluate.json"}
    assert ["production: promoted", "production: replaced by v0.2.0"] == [line[:-24] for line in entry.decisions]


def test_a_run_without_a_release_is_listed_by_its_commit(released):
    lock = released.root / "dvc.lock"
    lock.write_text(lock.read_text() + "# again\n")
    commit = released.commit()
    listed = entries(released)
    assert (commit, "Change change.txt") == (listed[commit[:12]].commit, listed[commit[:12]].because)
    assert listed.keys() >= {"v0.1.0", "v0.2.0"}


def test_a_commit_with_a_broken_lock_is_still_listed(released):
    (released.root / "dvc.lock").write_text("stages: [")
    commit = released.commit()
    assert {} == entries(released)[commit[:12]].files.outputs


def test_the_last_run_in_the_work_tree_is_listed_before_it_is_committed(released):
    with recorded(results.TRAIN) as result:
        result.evidence = TrainEvidence(commit="c0ffee", by="grace", stages={"train": 1.5})
    entry = entries(released)[HERE]
    assert ("grace", {"train": 1.5}) == (entry.by, entry.jobs["train"].stages)


def test_the_table_has_a_line_for_each_entry(released):
    lines = text.table(list(entries(released).values())).splitlines()
    (line,) = [line for line in lines if line.startswith("v0.1.0")]
    assert all(word in line for word in ("ada", "roc_auc 0.7000", "v0.0.9", "replaced by v0.2.0"))


@pytest.mark.parametrize("after", ["v0.2.0", HERE, "HEAD"])
def test_two_entries_are_compared_by_parameters_metrics_and_commits(released, after):
    comparison = History(Git(released.root), released.store).diff("v0.1.0", after)
    assert {"seed": (1, 2)} == comparison.parameters
    assert {"evaluate.model.roc_auc": (0.7, 0.75)} == comparison.metrics
    assert ["+ Change change.txt"] == [f"{line[0]} {line[10:]}" for line in comparison.commits]
    assert "seed: 1 → 2" in text.diff(comparison)


def test_an_unknown_name_is_rejected_in_one_line(released):
    with pytest.raises(ArgumentError, match="v0-9: neither a release nor a commit"):
        History(Git(released.root), released.store).diff("v0-9", HERE)


@pytest.fixture
def made(project):
    """Publish a release whose commit contains the scripts that built it."""
    (project.root / "train.py").write_text(TRAIN)
    (project.root / "build.py").write_text(BUILD)
    (project.root / ".gitignore").write_text("/model\n/results\n/build\n")
    project.commit()
    with recorded(results.COMPARE) as result:
        result.evidence = COMPARED
    for script in ("train.py", "build.py"):
        subprocess.run([sys.executable, script], cwd=project.root, check=True)
    publish.publish(project.root, project.root / "build/release", project.store)
    project.commit()
    return project


def _rebuilt(project, folder):
    return reproduce.reproduce(project.root, "v0.1.0", folder, project.store, ["train.py"], ["build.py"])


def test_a_release_is_rebuilt_from_its_commit_with_the_same_digest(made, tmp_path):
    reproduction = _rebuilt(made, tmp_path / "again")
    assert (Outcome.PASS, {}) == (reproduction.verdict.outcome, reproduction.differences)
    assert reproduction.published.digest == reproduction.rebuilt.digest


def test_a_training_that_is_not_reproducible_fails_and_the_file_is_named(made, tmp_path, monkeypatch):
    monkeypatch.setenv("LUCK", "!")
    reproduction = _rebuilt(made, tmp_path / "again")
    assert {"inputs.model", "files.model/model.onnx"} == reproduction.differences.keys()
    assert (Outcome.FAIL, True) == (reproduction.verdict.outcome, "another model" in reproduction.verdict.reason)
    assert any(line.startswith("  model/model.onnx: published ") for line in reproduce.text(reproduction))


def test_a_failed_step_is_reported_with_its_last_line(made, tmp_path):
    with pytest.raises(ToolError, match=r"nothing\.py in .*again: .*No such file"):
        reproduce.reproduce(made.root, "v0.1.0", tmp_path / "again", made.store, ["nothing.py"], ["build.py"])
