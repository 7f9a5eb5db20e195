"""Nothing starts that is not, byte for byte, what the branch `deploy` names."""

from __future__ import annotations

import pytest

from slipway.delivery import installation, release
from slipway.delivery.home import Place
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
