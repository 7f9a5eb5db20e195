"""Clones and archives have the bytes of the repository, whatever `core.autocrlf` and `core.eol` are."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WINDOWS_OPTIONS = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
"""Options that convert line endings; Git for Windows sets the first one by default."""
CONTENT = b"a,b\r\n1,2\n3,4\r\n"
"""Mixed line endings, which a conversion in either direction changes."""
DATA = (
    ".dvcstore/files/md5/ab/cdef0123456789",
    "data/rows.csv",
    "deploy/rendered/production/slipway.yaml",
    "dvc.lock",
    "incoming/0001-rows.csv",
    "metrics/loss.csv",
    "rows.csv",
    "rows.tsv",
    "tests/problems/mine/data/rows.csv",
    "tests/unit/golden/report.md",
    "uv.lock",
)
"""Files that a fork, DVC or uv may write, and whose hashes are recorded."""
SOURCES = (".ci/bootstrap", ".github/workflows/deploy.yaml", "Makefile", "docs/index.md", "src/problem/data.py", "x.sh")


def git(folder: Path, *arguments: str) -> bytes:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, check=True).stdout


def clone(source: Path, folder: Path) -> Path:
    """Clone with the settings of Git for Windows."""
    subprocess.run(
        ["git", *WINDOWS_OPTIONS, "clone", "--quiet", *WINDOWS_OPTIONS, source, folder], capture_output=True, check=True
    )
    return folder


def changed(folder: Path) -> list[str]:
    """Return the files of the work tree that differ from the commit."""
    return [path for path, blob in committed(folder).items() if blob != _blob((folder / path).read_bytes())]


def committed(folder: Path) -> dict[str, str]:
    """Return the blob id of each file of the commit."""
    entries = git(folder, "ls-tree", "-r", "-z", "HEAD").decode().split("\0")
    return {entry.partition("\t")[2]: entry.split()[2] for entry in entries if entry}


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Path:
    return clone(ROOT, tmp_path_factory.mktemp("windows") / "clone")


def test_no_file_of_a_clone_differs_from_the_commit(windows):
    assert [] == changed(windows)
    assert b"" == git(windows, "status", "--porcelain")


def test_clone_without_gitattributes_differs(windows, tmp_path):
    """Without the attributes, the settings of this test convert line endings."""
    bare = clone(windows, tmp_path / "bare")
    git(bare, "rm", "--quiet", ".gitattributes")
    git(bare, "commit", "--quiet", "--message", "Remove the attributes")
    assert {".ci/bootstrap", "dvc.lock", "uv.lock", "src/slipway/errors.py"} <= set(
        changed(clone(bare, tmp_path / "clone"))
    )


def test_bootstrap_of_a_clone_runs(windows, tmp_path):
    """The script reaches its search for a Python, and finds none that works on this PATH."""
    for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])
    env = {name: value for name, value in os.environ.items() if name != "PYTHON"} | {"PATH": path}
    done = subprocess.run([windows / ".ci/bootstrap"], env=env, capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert "not found on the PATH; install one" in done.stderr


def test_scripts_of_a_clone_are_valid(windows):
    scripts = [windows / ".ci" / name for name in ("bootstrap", "run")]
    assert 0 == subprocess.run(["bash", "-n", *scripts], capture_output=True, check=False).returncode
    assert [] == [script.name for script in scripts if b"\r" in script.read_bytes()]


def test_dvc_status_is_the_same_as_in_a_plain_clone(windows, tmp_path):
    plain = tmp_path / "plain"
    subprocess.run(["git", "clone", "--quiet", ROOT, plain], capture_output=True, check=True)
    assert dvc_status(plain) == dvc_status(windows)


def dvc_status(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)


@pytest.fixture(scope="module")
def fork(windows, tmp_path_factory) -> Path:
    """A clone in which a user of Windows adds and commits files."""
    folder = clone(windows, tmp_path_factory.mktemp("fork") / "fork")
    for name in (*DATA, *SOURCES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENT)
    git(folder, "add", "--force", "--", *DATA, *SOURCES)
    git(folder, "commit", "--quiet", "--message", "Add files")
    return folder


@pytest.mark.parametrize("name", DATA)
def test_data_and_hashed_files_keep_their_bytes(fork, name):
    assert CONTENT == git(fork, "show", f"HEAD:{name}")


@pytest.mark.parametrize("name", SOURCES)
def test_source_is_committed_with_line_feeds(fork, name):
    assert CONTENT.replace(b"\r\n", b"\n") == git(fork, "show", f"HEAD:{name}")


def test_clone_of_the_fork_has_the_same_bytes(fork, tmp_path):
    assert [] == changed(clone(fork, tmp_path / "clone"))


def test_archive_has_the_same_bytes(windows):
    """A release is built from an archive."""
    with tarfile.open(fileobj=io.BytesIO(git(windows, "archive", "HEAD"))) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive.getmembers() if member.isreg()}
    assert committed(windows) == {name: _blob(content) for name, content in files.items()}
