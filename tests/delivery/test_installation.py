"""Nothing starts that is not, byte for byte, what the branch `deploy` names."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from slipway.delivery import release
from slipway.delivery.agent import installation, watch
from slipway.delivery.home import ENVIRONMENTS, Place
from slipway.delivery.release import Release
from slipway.errors import UserError


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
    return project.branch.read("staging")


def test_one_flipped_byte_in_the_store_is_found_in_every_file_before_anything_is_installed(project, content):
    place = Place.of("staging")
    files = _files(project.store.root / "v0.1.0")
    assert {release.MANIFEST, release.SBOM, "model.onnx"} < {file.name for file in files}
    for file in files:
        _flip(file)
        with pytest.raises(UserError, match=r"refused$"):
            installation.install(place, project.store, content)
        assert not installation.folder(place, content.digest).exists()
        _flip(file)


def test_one_flipped_byte_in_what_is_installed_is_found_in_every_file_before_it_is_started(project, content):
    place = Place.of("staging")
    for name in [file.relative_to(project.store.root / "v0.1.0") for file in _files(project.store.root / "v0.1.0")]:
        installation.install(place, project.store, content)
        _flip(installation.folder(place, content.digest) / name)
        with pytest.raises(UserError, match=r"refused$"):
            installation.verified(place, content.digest)
        assert not installation.is_installed(place, content.digest)


def _found(one: watch.Watch, folder, digest) -> str | None:
    """What a look finds, once every byte was read."""
    one.fault(folder, digest)
    while one._is_verifying(folder):
        time.sleep(0.001)
    return one.fault(folder, digest)


def test_a_changed_file_is_found_by_a_look_at_its_dates(project, content):
    folder, looks = project.store.root / "v0.1.0", watch.Watch(300)
    assert _found(looks, folder, content.digest) is None
    model = folder / "model/model.onnx"
    before = model.stat()
    _flip(model)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "model.onnx: SHA-256 is" in _found(looks, folder, content.digest)
    _flip(model)
    assert _found(looks, folder, content.digest) is None


def test_a_file_is_not_read_again_while_nothing_tells_that_it_changed(project, content, monkeypatch):
    folder, looks = project.store.root / "v0.1.0", watch.Watch(300)
    assert _found(looks, folder, content.digest) is None
    monkeypatch.setattr(watch.release, "verify", lambda *_: pytest.fail("read again"))
    assert _found(looks, folder, content.digest) is None


def test_a_byte_that_changed_behind_the_systems_back_is_found_in_time(project, content, monkeypatch):
    monkeypatch.setattr(watch, "_fingerprint", lambda _: ())
    folder = project.store.root / "v0.1.0"
    patient, due = watch.Watch(300), watch.Watch(0)
    for looks in (patient, due):
        assert looks.fault(folder, content.digest) is None
        while looks._is_verifying(folder):
            time.sleep(0.001)
    _flip(folder / "model/model.onnx")
    assert _found(patient, folder, content.digest) is None
    due.fault(folder, content.digest)
    while due._is_verifying(folder):
        time.sleep(0.001)
    assert "model.onnx: SHA-256 is" in due._verifications[folder].fault


def test_a_release_whose_requirements_lost_a_package_is_not_installed(project, content):
    place = Place.of("staging")
    installation.install(place, project.store, content)
    assert installation.is_installed(place, content.digest)
    (python,) = place.environments.glob("*/bin/python")
    python.unlink()
    assert not installation.is_installed(place, content.digest)
    installation.install(place, project.store, content)
    assert installation.is_installed(place, content.digest)


def test_what_a_killed_installation_left_is_swept(project):
    place = Place.of("staging")
    left = place.releases / ".incoming-1"
    left.mkdir(parents=True)
    installation.sweep(place)
    assert not left.exists()


def test_each_environment_logs_its_predictions_to_a_folder_of_its_own(project, content, monkeypatch):
    monkeypatch.setenv("SLIPWAY_PREDICTIONS", "/somewhere/else")
    ready = Release(Path("release"), content.digest, {"service": {"command": ["{python}"], "environment": {}}})
    monkeypatch.setattr(installation, "_environment", lambda *_: Path("python"))
    folders = {name: installation.command(Place.of(name), ready, 1)[1]["SLIPWAY_PREDICTIONS"] for name in ENVIRONMENTS}
    assert {name: str(Place.of(name).predictions) for name in ENVIRONMENTS} == folders
    assert 2 == len(set(folders.values()))
