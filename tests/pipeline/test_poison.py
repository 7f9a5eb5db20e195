"""Tests of poisoned objects: those from a cache, a remote or a commit are rejected by name."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import yaml

from tests.pipeline.conftest import poison

REJECTED = "is missing on the remote or corrupt; rejected"


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_poisoned_cache_is_reported_and_does_not_change_the_model(project, mode):
    clean = project.hashes()
    for path in project.objects():
        poison(path, mode)
    shutil.rmtree(project.root / "data")
    shutil.rmtree(project.root / "model")
    output = project.train()
    assert output.count("corrupt, its content does not match its name; removed") >= len(project.objects())
    assert clean == project.hashes()


def test_a_poisoned_shared_cache_is_detected(project, tmp_path):
    shutil.move(project.root / ".dvc/cache", tmp_path / "shared")
    project.run("dvc", "cache", "dir", "--local", str(tmp_path / "shared"))
    (first, *_) = project.objects(place="../shared/files/md5")
    poison(first)
    assert f"{first.resolve()}: corrupt" in project.slipway("pull")


@pytest.fixture
def fetching(project):
    """Return the project as a fresh clone, without cache and data."""
    for name in (".dvc/cache", "data"):
        shutil.rmtree(project.root / name)
    return project


@pytest.mark.parametrize(("suffix", "verify"), [("", "true"), ("", "false"), (".dir", "true")])
def test_a_poisoned_embedded_store_is_rejected_under_any_settings(fetching, suffix, verify):
    """DVC itself, with `verify`, accepts a changed list of files, and ignores a changed file silently."""
    fetching.run("dvc", "config", "remote.embedded.verify", verify)
    (first, *_) = fetching.objects(suffix, place=".dvcstore/files/md5")
    poison(first)
    message = fetching.refused("pull")
    assert f"object {first.parent.name}{first.name} {REJECTED}" in message
    assert message.startswith("data")
    assert not (fetching.root / "data").exists()


def test_the_data_checks_reject_a_poisoned_store(fetching):
    (first, *_) = fetching.objects("", place=".dvcstore/files/md5")
    poison(first)
    assert REJECTED in fetching.refused("data")


def test_intact_objects_are_fetched(fetching, trained):
    fetching.slipway("pull")
    assert trained.hashes() == fetching.hashes()


def _store(project, content: bytes, suffix: str = "") -> str:
    """Store an object under its correct name in the embedded store."""
    name = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = project.root / ".dvcstore/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def _point(project, path: str, digest: str, name: str = "other.dvc") -> None:
    (project.root / name).write_text(yaml.safe_dump({"outs": [{"path": path, "md5": digest, "hash": "md5"}]}))


@pytest.mark.parametrize("name", ["model/0.txt", ".dvc/cache/files/md5/00/0", ".dvc/config.local", "data/0.csv"])
def test_outputs_of_dvc_in_a_commit_are_rejected(project, name):
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    project.run("git", "add", "--force", name)
    project.commit()
    assert project.refused("train").startswith(f"{name}: is in git, but DVC makes it or fetches it")


def test_source_code_as_data_is_rejected(project):
    _point(project, "stage.py", "0" * 32)
    project.commit()
    assert project.refused("train").startswith("stage.py: is in git, but DVC")


@pytest.fixture
def forging(project):
    """Return a project with a forged model: as data in the store, and as the output of a stage in dvc.lock."""
    project.run("git", "update-ref", "refs/remotes/origin/main", "HEAD")
    files = {"0.txt": b"forged", "1.txt": (project.root / "metrics/export.json").read_bytes()}
    listing = [{"md5": _store(project, content), "relpath": name} for name, content in files.items()]
    forged = _store(project, json.dumps(listing).encode(), ".dir")
    _point(project, "other", forged)
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    honest = next(out["md5"] for out in lock["stages"]["export"]["outs"] if out["path"] == "model")
    text = (project.root / "dvc.lock").read_text()
    (project.root / "dvc.lock").write_text(text.replace(honest, forged))
    for name in ("build", "model", ".dvc/cache"):
        shutil.rmtree(project.root / name)
    project.commit()
    return project


def test_dvc_accepts_a_forged_model(forging):
    """Show that the next two tests have something to detect."""
    forging.train()
    assert "forged" == (forging.root / "model/0.txt").read_text()


@pytest.mark.parametrize("variable", ["GITHUB_BASE_REF", "SLIPWAY_BASE"])
def test_claims_of_a_pull_request_are_not_trusted(forging, trained, variable):
    """SLIPWAY_BASE is the only variable in a merge queue, or in a manual run on a branch."""
    forging.train(**{variable: "main"})
    assert trained.hashes() == forging.hashes()
    evidence = json.loads((forging.root / "results/train.json").read_text())["evidence"]
    assert ["evaluate", "export"] == evidence["stale"]


def test_a_fresh_training_ignores_a_forged_lock_file(forging, trained):
    forging.train("--fresh")
    assert trained.hashes() == forging.hashes()


def test_the_run_cache_of_dvc_is_not_trusted(project):
    """DVC's run cache maps inputs to outputs, and its writers can forge any entry."""
    project.change(2)
    project.train()
    honest = project.hashes()
    for file in (project.root / ".dvc/cache/runs").glob("??/*/*"):
        entry = yaml.safe_load(file.read_text())
        if "export" in entry["cmd"]:
            entry["outs"] = [{**out, "md5": project.objects(".dir")[0].name} for out in entry["outs"]]
            file.chmod(0o644)
            file.write_text(yaml.safe_dump(entry))
    project.change(3)
    project.train()
    project.change(2)
    assert "is cached" not in project.train()
    assert honest == project.hashes()
