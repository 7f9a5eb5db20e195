"""Objects that a cache brings are what their names say, or they go."""

from __future__ import annotations

import hashlib

import pytest

from slipway.pipeline.cache import drop_poisoned


def _object(cache, content: bytes, suffix: str = ""):
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = cache / name[:2] / (name[2:] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)  # as DVC leaves it
    return path


def test_what_is_whole_stays(tmp_path):
    kept = [_object(tmp_path, b"one"), _object(tmp_path, b"[]", ".dir")]
    assert ([], [True, True]) == (drop_poisoned(tmp_path), [path.exists() for path in kept])


@pytest.mark.parametrize("mode", [0o444, 0o644])
@pytest.mark.parametrize("suffix", ["", ".dir"])
def test_what_was_changed_is_named_and_removed(tmp_path, mode, suffix):
    poisoned = _object(tmp_path, b"model", suffix)
    poisoned.chmod(0o644)
    poisoned.write_bytes(b"poison")
    poisoned.chmod(mode)
    assert ([poisoned], False) == (drop_poisoned(tmp_path), poisoned.exists())


def test_a_link_is_removed_whatever_it_leads_to(tmp_path):
    whole = _object(tmp_path, b"model")
    target = tmp_path / "elsewhere"
    whole.rename(target)
    whole.symlink_to(target)
    assert [whole] == drop_poisoned(tmp_path)


def test_no_cache_is_no_fault(tmp_path):
    assert [] == drop_poisoned(tmp_path / "missing")
