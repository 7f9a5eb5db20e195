"""What comes from a cache, a remote or a commit is what its name says, or it is refused by name."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import yaml

from tests.pipeline.conftest import poison

SAID = "is missing, or its content is not what its name says; refused"


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_poisoned_cache_is_named_and_does_not_change_what_is_trained(project, mode):
    clean = project.hashes()
    for path in project.objects():
        poison(path, mode)
    shutil.rmtree(project.root / "data")
    shutil.rmtree(project.root / "model")
    said = project.train()
    assert len(project.objects()) <= said.count("its content is not what its name says; removed")
    assert clean == project.hashes()


def test_a_poisoned_cache_elsewhere_is_found_too(project, tmp_path):
    shutil.move(project.root / ".dvc/cache", tmp_path / "shared")
    project.run("dvc", "cache", "dir", "--local", str(tmp_path / "shared"))
    (first, *_) = project.objects(place="../shared/files/md5")
    poison(first)
    assert f"{first.resolve()}: its content" in project.run("python", "-m", "slipway.cli", "pull")


@pytest.fixture
def fetching(project):
    """The project as a fresh clone: no cache, no data."""
    for name in (".dvc/cache", "data"):
        shutil.rmtree(project.root / name)
    return project


@pytest.mark.parametrize(("suffix", "verify"), [("", "true"), ("", "false"), (".dir", "true")])
def test_a_poisoned_embedded_store_is_refused_whatever_the_settings_say(fetching, suffix, verify):
    """DVC itself, asked to verify, takes a changed list of files for good, and of a changed file says nothing."""
    fetching.run("dvc", "config", "remote.embedded.verify", verify)
    (first, *_) = fetching.objects(suffix, place=".dvcstore/files/md5")
    poison(first)
    said = fetching.refused("pull")
    assert f"object {first.parent.name}{first.name} {SAID}" in said
    assert said.startswith("data")
    assert not (fetching.root / "data").exists()


def test_the_data_checks_refuse_a_poisoned_store_too(fetching):
    (first, *_) = fetching.objects("", place=".dvcstore/files/md5")
    poison(first)
    assert SAID in fetching.refused("data")


def test_what_is_whole_is_fetched(fetching, trained):
    fetching.run("python", "-m", "slipway.cli", "pull")
    assert trained.hashes() == fetching.hashes()


def _store(project, content: bytes, suffix: str = "") -> str:
    """Put an object with a true name into the embedded store."""
    name = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = project.root / ".dvcstore/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def _point(project, path: str, digest: str, name: str = "other.dvc") -> None:
    (project.root / name).write_text(yaml.safe_dump({"outs": [{"path": path, "md5": digest, "hash": "md5"}]}))


@pytest.mark.parametrize("name", ["model/0.txt", ".dvc/cache/files/md5/00/0", ".dvc/config.local", "data/0.csv"])
def test_what_dvc_makes_is_refused_when_a_commit_brings_it(project, name):
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    project.run("git", "add", "--force", name)
    project.commit()
    assert project.refused("train").startswith(f"{name}: is in git, but DVC makes it or fetches it")


def test_source_in_the_place_of_data_is_refused(project):
    _point(project, "stage.py", "0" * 32)
    project.commit()
    assert project.refused("train").startswith("stage.py: is in git, but DVC")


@pytest.fixture
def forging(project):
    """A commit with a model that no stage made: as data in the store, and in dvc.lock as the output of the stages."""
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


def test_a_forged_model_is_what_dvc_believes(forging):
    """So the next two tests test something."""
    forging.train()
    assert "forged" == (forging.root / "model/0.txt").read_text()


@pytest.mark.parametrize("variable", ["GITHUB_BASE_REF", "SLIPWAY_BASE"])
def test_a_change_that_is_checked_does_not_say_what_was_made(forging, trained, variable):
    """The second one is all that a merge queue, or a run by hand on a branch, has."""
    forging.train(**{variable: "main"})
    assert trained.hashes() == forging.hashes()
    evidence = json.loads((forging.root / "results/train.json").read_text())["evidence"]
    assert ["evaluate", "export"] == evidence["stale"]


def test_what_is_published_is_made_afresh(forging, trained):
    forging.train("--fresh")
    assert trained.hashes() == forging.hashes()


def test_what_dvc_remembers_of_other_runs_is_not_believed(project):
    """Its run cache says which outputs some inputs gave, and whoever may write there may say anything."""
    project.change(2)
    project.train()
    honest = project.hashes()
    for file in (project.root / ".dvc/cache/runs").glob("??/*/*"):
        said = yaml.safe_load(file.read_text())
        if "export" in said["cmd"]:
            said["outs"] = [{**out, "md5": project.objects(".dir")[0].name} for out in said["outs"]]
            file.chmod(0o644)
            file.write_text(yaml.safe_dump(said))
    project.change(3)
    project.train()
    project.change(2)
    assert "is cached" not in project.train()
    assert honest == project.hashes()
