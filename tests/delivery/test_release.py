"""A release is identified by its digest, and `verify` names the file of any changed byte."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import pytest

from slipway.environment.versions import next_assignment, next_version, versions
from slipway.errors import DigestMismatchError, MissingFileError, UnreadableFileError
from slipway.release import manifest
from tests import release_manifest

WRITTEN = {
    "format": 1,
    "version": "v0.2.0",
    "commit": "c" * 40,
    "built": "2026-01-02T00:00:00+02:00",
    "previous": None,
    "inputs": {"data": "d.dir", "model": "m.dir", "params": "p", "requirements": "r"},
    "metrics": {"evaluate": {"model": {"é": 0.1, "b": [1, 1e-09]}, "a": None}, "prepare": {"rows": {"train": 3}}},
    "champion": {"version": "v0.1.0", "digest": "sha256:0", "commit": "b"},
    "report": "report.md",
    "sbom": "sbom.cdx.json",
    "service": {"command": ["{python}"], "environment": {"B": "1", "A": "2"}},
    "build": {"python": "3.11", "uv": "0.1", "dvc": "3"},
}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "release"
    for name in ("a/b.txt", "c.bin", "model/model.onnx", manifest.SBOM, manifest.LOCKED, manifest.SMOKE):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"content of {name}")
    manifest.seal(path, release_manifest.manifest())
    return path


def _flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def _places(size: int) -> list[int]:
    """Return the positions of the first, the last and some other bytes."""
    return sorted({0, size // 3, size // 2, size - 1})


def test_a_flipped_bit_is_detected_in_every_file(folder):
    digest = manifest.digest_of(folder)
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        for position in _places(file.stat().st_size):
            _flip(file, position)
            with pytest.raises(DigestMismatchError, match=f"{file.relative_to(folder)}: (SHA-256|digest) is"):
                manifest.verify(folder, digest)
            _flip(file, position)
    assert digest == manifest.verify(folder, digest).digest


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_malformed_manifest_is_refused_in_one_line(folder, text):
    (folder / manifest.MANIFEST).write_text(text)
    with pytest.raises(UnreadableFileError, match=r"manifest\.json: [^\n]+; refused$"):
        manifest.verify(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("files", 1), ("files", ["a"]), ("inputs.model", None), ("service.command", "python"), ("build.python", 3)],
)
def test_a_corrupt_manifest_is_refused_with_its_key(folder, key, value):
    content = json.loads((folder / manifest.MANIFEST).read_text())
    *sections, name = key.split(".")
    functools.reduce(dict.__getitem__, sections, content)[name] = value
    (folder / manifest.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(UnreadableFileError, match=rf"manifest\.json: manifest\.{key}: [^\n]+; refused$"):
        manifest.verify(folder)


def test_a_manifest_keeps_its_bytes(folder):
    facts = {**WRITTEN, "files": manifest.verify(folder).manifest.files}
    (folder / manifest.MANIFEST).unlink()
    manifest.seal(folder, manifest.Manifest.model_validate(facts))
    assert (folder / manifest.MANIFEST).read_text() == json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def test_a_missing_file_is_detected(folder):
    (folder / "c.bin").unlink()
    with pytest.raises(DigestMismatchError, match=r"c\.bin: listed in manifest\.json but missing"):
        manifest.verify(folder)


def test_an_unexpected_file_is_detected(folder):
    (folder / "model/extra.py").write_text("import os")
    with pytest.raises(DigestMismatchError, match=r"extra\.py: not listed in manifest\.json"):
        manifest.verify(folder)


def test_a_symbolic_link_in_place_of_a_file_is_detected(folder, tmp_path):
    shutil.move(folder / "c.bin", tmp_path / "c.bin")
    (folder / "c.bin").symlink_to(tmp_path / "c.bin")
    with pytest.raises(DigestMismatchError, match=r"c\.bin: listed in manifest\.json but missing"):
        manifest.verify(folder)


def test_a_changed_manifest_has_a_different_digest(folder):
    digest = manifest.digest_of(folder)
    (folder / manifest.MANIFEST).write_text((folder / manifest.MANIFEST).read_text().replace("v0.1.0", "v9.9.9"))
    with pytest.raises(DigestMismatchError, match="digest is sha256:"):
        manifest.verify(folder, digest)


def test_a_folder_that_is_no_release_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"contains no manifest\.json, so it is no release"):
        manifest.verify(tmp_path)


def test_the_digest_does_not_depend_on_place_or_time(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert manifest.digest_of(folder) == manifest.verify(tmp_path / "copy").digest


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], "v0.1.0"),
        (["model@v0.1.0"], "v0.2.0"),
        (["model@v0.9.0", "model@v0.10.0"], "v0.11.0"),
        (["model@v1.2.3"], "v1.3.0"),
        (["other@v7.0.0", "model#staging#4", "model@v01.0.0", "model@latest", "v5.0.0"], "v0.1.0"),
    ],
)
def test_the_next_version_follows_the_newest_registered_one(tags, expected):
    assert expected == next_version(versions(tags))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [([], 1), (["model#staging#1", "model#staging#10"], 11), (["model#production#4", "model#staging#x"], 1)],
)
def test_assignments_of_a_stage_are_counted(tags, expected):
    assert expected == next_assignment(tags, "staging")
