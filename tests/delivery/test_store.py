"""Stores: whole releases or none, and never two for one version."""

from __future__ import annotations

import os
import sys

import pytest

from slipway.delivery import release
from slipway.delivery.store import FolderStore, GitHubStore, open_store
from slipway.errors import UserError

GH = """#!{python}
# Stands in for GitHub's `gh`: a release is a folder named by its tag.
import json, os, pathlib, shutil, sys
site, (_, verb, *rest) = pathlib.Path(os.environ["FAKE_GITHUB"]), sys.argv[1:]
if verb == "create":
    tag, asset = rest[0], pathlib.Path(rest[1])
    (site / tag).mkdir(parents=True)
    shutil.copy(asset, site / tag)
elif verb == "download":
    if not (site / rest[0]).exists():
        sys.exit("release not found")
    shutil.copy(site / rest[0] / rest[2], rest[4])
elif verb == "list":
    print("\\n".join(entry.name for entry in site.iterdir()) if site.exists() else "")
"""


def _release(folder, version="v0.1.0", text="content"):
    folder.mkdir(parents=True)
    (folder / "file.txt").write_text(text)
    return release.seal(folder, {"version": version, "commit": "c" * 40})


@pytest.fixture(params=["folder", "github"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH.format(python=sys.executable))
    (tmp_path / "bin/gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_GITHUB", str(tmp_path / "github"))
    return GitHubStore()


def test_a_release_comes_back_as_it_was(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    assert built.digest == store.get("v0.1.0", tmp_path / "got").digest


def test_putting_it_again_changes_nothing(store, tmp_path):
    built = _release(tmp_path / "built")
    store.put(built.folder)
    store.put(built.folder)
    assert ["v0.1.0"] == store.versions()


def test_another_release_of_the_same_version_is_refused(store, tmp_path):
    store.put(_release(tmp_path / "built").folder)
    with pytest.raises(UserError, match="a version is never built twice"):
        store.put(_release(tmp_path / "other", text="other content").folder)


def test_a_missing_release_is_named(store, tmp_path):
    with pytest.raises(UserError, match=r"no such release|release not found"):
        store.get("v0.1.0", tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_versions_are_ordered_by_number(store, tmp_path):
    for version in ("v0.10.0", "v0.9.0"):
        store.put(_release(tmp_path / version, version).folder)
    assert ["v0.9.0", "v0.10.0"] == store.versions()


def test_a_damaged_release_does_not_arrive(tmp_path):
    store = FolderStore(tmp_path / "store")
    store.put(_release(tmp_path / "built").folder)
    (tmp_path / "store/v0.1.0/file.txt").write_text("other")
    with pytest.raises(UserError, match=r"file\.txt: SHA-256 is"):
        store.get("v0.1.0", tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_killed_upload_is_never_taken_for_a_release(tmp_path, monkeypatch):
    store = FolderStore(tmp_path / "store")
    built = _release(tmp_path / "built")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.put(built.folder)
    assert [] == store.versions()
    store.put(built.folder)
    assert ["v0.1.0"] == store.versions()


def test_without_gh_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="gh: not found"):
        GitHubStore().versions()


def test_an_unknown_kind_of_store_is_refused():
    with pytest.raises(UserError, match="SLIPWAY_STORE=ftp://x: unknown kind of store"):
        open_store("ftp://x")
