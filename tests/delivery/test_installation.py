"""A service starts only if its files are byte for byte those of the desired release."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from slipway.agent import installation, watch
from slipway.environment.place import ENVIRONMENTS, Place
from slipway.errors import DigestMismatchError
from slipway.release import manifest
from slipway.release.manifest import Release
from tests import release_manifest


def _flip(file) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _files(folder):
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def content(project):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    return project.desired_state("staging").read()


def test_one_flipped_byte_in_the_store_is_detected_in_every_file_before_the_installation(project, content):
    place = Place.of("staging")
    files = _files(project.store.root / "v0.1.0")
    assert {manifest.MANIFEST, manifest.SBOM, "model.onnx"} < {file.name for file in files}
    for file in files:
        _flip(file)
        with pytest.raises(DigestMismatchError, match=r"refused$"):
            installation.install(place, project.store, content)
        assert not installation.folder(place, content.digest).exists()
        _flip(file)


def test_one_flipped_byte_in_an_installed_file_is_detected_in_every_file_before_the_start(project, content):
    place = Place.of("staging")
    for name in [file.relative_to(project.store.root / "v0.1.0") for file in _files(project.store.root / "v0.1.0")]:
        installation.install(place, project.store, content)
        _flip(installation.folder(place, content.digest) / name)
        with pytest.raises(DigestMismatchError, match=r"refused$"):
            installation.verified(place, content.digest)
        assert not installation.is_installed(place, content.digest)


def _fault(watched: watch.Watch, folder, digest) -> str | None:
    """Return the fault after a completed verification."""
    watched.fault(folder, digest)
    while watched._is_verifying(folder):
        time.sleep(0.001)
    return watched.fault(folder, digest)


def test_a_changed_file_is_detected_by_its_dates(project, content):
    folder, watched = project.store.root / "v0.1.0", watch.Watch(300)
    assert _fault(watched, folder, content.digest) is None
    model = folder / "model/model.onnx"
    before = model.stat()
    _flip(model)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "model.onnx: SHA-256 is" in _fault(watched, folder, content.digest)
    _flip(model)
    assert _fault(watched, folder, content.digest) is None


def test_an_unchanged_file_is_not_hashed_again(project, content, monkeypatch):
    folder, watched = project.store.root / "v0.1.0", watch.Watch(300)
    assert _fault(watched, folder, content.digest) is None
    monkeypatch.setattr(watch.manifest, "verify", lambda *_: pytest.fail("hashed again"))
    assert _fault(watched, folder, content.digest) is None


def test_silent_corruption_is_detected_by_the_periodic_hash(project, content, monkeypatch):
    monkeypatch.setattr(watch, "_fingerprint", lambda _: ())
    folder = project.store.root / "v0.1.0"
    rare, due = watch.Watch(300), watch.Watch(0)
    for watched in (rare, due):
        assert watched.fault(folder, content.digest) is None
        while watched._is_verifying(folder):
            time.sleep(0.001)
    _flip(folder / "model/model.onnx")
    assert _fault(rare, folder, content.digest) is None
    due.fault(folder, content.digest)
    while due._is_verifying(folder):
        time.sleep(0.001)
    assert "model.onnx: SHA-256 is" in due._verifications[folder].fault


def test_a_release_with_a_missing_package_is_not_installed(project, content):
    place = Place.of("staging")
    installation.install(place, project.store, content)
    assert installation.is_installed(place, content.digest)
    (python,) = place.environments.glob("*/bin/python")
    python.unlink()
    assert not installation.is_installed(place, content.digest)
    installation.install(place, project.store, content)
    assert installation.is_installed(place, content.digest)


def test_files_of_a_killed_installation_are_swept(project):
    place = Place.of("staging")
    incoming = place.releases / ".incoming-1"
    incoming.mkdir(parents=True)
    installation.sweep(place)
    assert not incoming.exists()


def test_each_environment_logs_its_predictions_to_its_own_folder(project, content, monkeypatch):
    monkeypatch.setenv("SLIPWAY_PREDICTIONS", "/somewhere/else")
    ready = Release(Path("release"), content.digest, release_manifest.manifest())
    monkeypatch.setattr(installation, "_environment", lambda *_: Path("python"))
    folders = {name: installation.command(Place.of(name), ready, 1)[1]["SLIPWAY_PREDICTIONS"] for name in ENVIRONMENTS}
    assert {name: str(Place.of(name).predictions) for name in ENVIRONMENTS} == folders
    assert 2 == len(set(folders.values()))
