"""Git accepts the command that an error on a file suggests, even during a merge conflict."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from slipway.dvc import outputs, pointers, recovery
from slipway.dvc.files import DvcFiles
from slipway.errors import UnreadableFileError
from slipway.settings import read_settings

LOCK = "schema: '2.0'\nstages:\n  train:\n    cmd: train\n    outs:\n    - path: model\n      md5: {:a>32}\n"
READERS = {
    "params.yaml": ("seed: {}\n", read_settings),
    "dvc.yaml": ("stages:\n  train:\n    cmd: train {}\n", outputs.stages),
    "data.dvc": ("outs:\n- path: data\n  md5: {}\n", lambda: pointers.outputs(Path("data.dvc"))),
    "dvc.lock": (LOCK, recovery.repair),
    "dvc.lock for a release": (LOCK, lambda: DvcFiles.read(Path())),
}
"""Content and reader of each file."""


def git(*arguments: str, expected: int = 0) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "merge.conflictStyle=merge"]
    done = subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=False)
    assert expected == done.returncode, done.stderr
    return done.stdout


def commit(path: str, text: str) -> None:
    Path(path).write_text(text)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Change")


@pytest.fixture(params=READERS)
def case(request, tmp_path, monkeypatch):
    """Create a repository with the files. Return path, content and reader of one of them."""
    monkeypatch.chdir(tmp_path)
    (path, *_), (text, read) = request.param.split(), READERS[request.param]
    git("init", "--quiet", "--initial-branch=main")
    for name, (content, _) in READERS.items():
        Path(name.split()[0]).write_text(content.format(0))
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Begin")
    return path, text, read


def follow(read, path: str) -> None:
    """Read the file, and run the command that the error suggests."""
    with pytest.raises(UnreadableFileError, match=re.escape(path)) as error:
        read()
    (command,) = re.findall(r"`git (checkout [^`]*)`", str(error.value))
    git(*command.split())
    assert "" == git("ls-files", "--unmerged", "--", path)


@pytest.mark.parametrize("rebase", [False, True])
def test_suggested_command_resolves_a_conflict(case, rebase):
    path, text, read = case
    git("checkout", "--quiet", "-b", "change")
    commit(path, text.format(1))
    git("checkout", "--quiet", "main")
    commit(path, text.format(2))
    git("checkout", "--quiet", "change")
    git("rebase" if rebase else "merge", "main", expected=1)
    assert "<<<<<<<" in Path(path).read_text()
    git("checkout", path, expected=1)  # fails during a conflict
    follow(read, path)
    assert text.format(2 if rebase else 1) == Path(path).read_text()


def test_suggested_command_restores_a_staged_file(case, capsys):
    path, text, read = case
    Path(path).write_text("[")
    git("add", path)
    if read is recovery.repair:  # restores the committed file by itself
        read()
    else:
        follow(read, path)
    assert text.format(0) == Path(path).read_text()
