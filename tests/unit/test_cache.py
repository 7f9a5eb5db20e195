"""Tests of the verification of DVC's cache: objects whose content does not match their name are removed."""

from __future__ import annotations

import hashlib

import pytest

from slipway.dvc.cache import drop_poisoned
from slipway.errors import ToolError


def _object(cache, content: bytes, suffix: str = "", place: str = "files/md5"):
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = cache / place / name[:2] / (name[2:] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)  # as DVC leaves it
    return path


def test_intact_objects_stay(tmp_path):
    intact = [_object(tmp_path, b"data"), _object(tmp_path, b"[]", ".dir")]
    assert ([], [True, True]) == (drop_poisoned(tmp_path), [path.exists() for path in intact])


@pytest.mark.parametrize("mode", [0o444, 0o644])
@pytest.mark.parametrize("suffix", ["", ".dir"])
@pytest.mark.parametrize("place", ["files/md5", "."], ids=["of DVC 3", "of DVC 2"])
def test_a_changed_object_is_returned_and_removed(tmp_path, mode, suffix, place):
    poisoned = _object(tmp_path, b"model", suffix, place)
    poisoned.chmod(0o644)
    poisoned.write_bytes(b"poison")
    poisoned.chmod(mode)
    assert ([poisoned], False) == (drop_poisoned(tmp_path), poisoned.exists())


def test_a_link_is_removed_for_any_target(tmp_path):
    whole = _object(tmp_path, b"model")
    target = tmp_path / "elsewhere"
    whole.rename(target)
    whole.symlink_to(target)
    assert [whole] == drop_poisoned(tmp_path)


def test_an_incomplete_object_of_a_running_dvc_stays(tmp_path):
    whole = _object(tmp_path, b"model")
    arriving = whole.with_name(".d9zfoQddmLDAdE_rwyszUw.tmp")
    arriving.write_bytes(b"mod")
    assert ([], True) == (drop_poisoned(tmp_path), arriving.exists())


def test_an_object_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    poisoned = _object(tmp_path, b"model")
    poisoned.chmod(0o644)
    poisoned.write_bytes(b"poison")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(ToolError, match=rf"{poisoned}: corrupt, .* \(Permission denied\)"):
        drop_poisoned(tmp_path)


def test_a_missing_cache_is_not_an_error(tmp_path):
    assert [] == drop_poisoned(tmp_path / "missing")
