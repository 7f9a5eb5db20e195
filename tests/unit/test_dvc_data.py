"""What `*.dvc` files name lies in a place for data, and what the lists of files in a cache name lies below that."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from slipway import dvc_cache, dvc_data
from slipway.errors import UserError


@pytest.fixture
def point(tmp_path):
    """Writes a pointer to `path`."""

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
def test_data_in_a_place_that_is_not_for_data_is_refused(point, path):
    with pytest.raises(UserError, match="which is no place for data; refused"):
        dvc_data.outputs(point(path))


def test_a_pointer_that_works_elsewhere_is_refused(point):
    with pytest.raises(UserError, match="no place for data"):
        dvc_data.outputs(point("data", wdir="../elsewhere"))


@pytest.mark.parametrize("text", ["", "outs: 1", "outs: [{md5: a}]", "a: [", "[]"])
def test_a_pointer_that_cannot_be_read_is_one_line(tmp_path, text):
    (tmp_path / "data.dvc").write_text(text)
    with pytest.raises(UserError, match=r"data\.dvc: not what `dvc add` writes"):
        dvc_data.outputs(tmp_path / "data.dvc")


@pytest.mark.parametrize("relpath", ["../src/evil.py", "/etc/evil", "a/../../evil.py"])
def test_a_list_of_files_that_leads_out_of_its_folder_is_refused(point, tmp_path, relpath):
    pointer = point("data", _listing(tmp_path, **{relpath: _store(tmp_path, b"evil")}))
    with pytest.raises(UserError, match=r"data: its list of files names .*, outside of it; refused"):
        list(dvc_data.missing(pointer, tmp_path))


def test_what_is_not_in_the_cache_is_named_by_its_path(point, tmp_path):
    pointer = point("data", _listing(tmp_path, one=_store(tmp_path, b"1"), two="2" * 32))
    assert [("data/two", "2" * 32)] == list(dvc_data.missing(pointer, tmp_path))
    assert [("data", "3" * 32)] == list(dvc_data.missing(point("data", "3" * 32), tmp_path))
