"""Tests of `*.dvc` files: they name paths for data only, and lists of files stay inside their folder."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from slipway.dvc import cache as dvc_cache
from slipway.dvc import pointers
from slipway.errors import RejectedError, UnreadableFileError


@pytest.fixture
def point(tmp_path):
    """Return a function that writes a pointer to `path`."""

    def write(path: str, digest: str = "0" * 32, **more):
        pointer = tmp_path / "other.dvc"
        pointer.write_text(yaml.safe_dump({"outs": [{"path": path, "md5": digest, "hash": "md5"}], **more}))
        return pointer

    return write


def _store(cache, content: bytes, suffix: str = "") -> str:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = dvc_cache.path_of(cache, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def _listing(cache, **files: str) -> str:
    return _store(cache, json.dumps([{"relpath": name, "md5": md5} for name, md5 in files.items()]).encode(), ".dir")


@pytest.mark.parametrize("path", [".git/hooks", ".venv", "../elsewhere", "data/../src", "/etc/cron.d", ""])
def test_a_path_that_is_not_for_data_is_rejected(point, path):
    with pytest.raises(RejectedError, match="which is not a path for data; rejected"):
        pointers.outputs(point(path))


def test_a_pointer_with_another_working_directory_is_rejected(point):
    with pytest.raises(RejectedError, match="not a path for data"):
        pointers.outputs(point("data", wdir="../elsewhere"))


@pytest.mark.parametrize("text", ["", "outs: 1", "outs: [{md5: a}]", "a: [", "[]"])
def test_an_invalid_pointer_is_one_line(tmp_path, text):
    (tmp_path / "data.dvc").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"data\.dvc: not a file of `dvc add`"):
        pointers.outputs(tmp_path / "data.dvc")


@pytest.mark.parametrize("relpath", ["../src/evil.py", "/etc/evil", "a/../../evil.py"])
def test_a_list_of_files_that_leads_out_of_its_folder_is_rejected(point, tmp_path, relpath):
    pointer = point("data", _listing(tmp_path, **{relpath: _store(tmp_path, b"evil")}))
    with pytest.raises(RejectedError, match=r"data: its list of files names .*, outside of the folder; rejected"):
        list(pointers.missing(pointer, tmp_path))


def test_an_object_that_the_cache_lacks_is_named_by_its_path(point, tmp_path):
    pointer = point("data", _listing(tmp_path, a=_store(tmp_path, b"1"), b="2" * 32))
    assert [("data/b", "2" * 32)] == list(pointers.missing(pointer, tmp_path))
    assert [("data", "3" * 32)] == list(pointers.missing(point("data", "3" * 32), tmp_path))
