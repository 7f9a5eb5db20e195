"""Identity of a work tree: its commit, and one hash of the content of its files, committed or not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from slipway.git.client import Git
from slipway.git.command import GitError
from slipway.schema.bounds import Name

if TYPE_CHECKING:
    from collections.abc import Iterable


class SourceTree(BaseModel):
    """The files that a result was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    commit: Name | None
    """The checked-out commit; None before the first one."""
    edited: bool
    """Whether the files differ from the commit."""
    content: Name
    """Hash of the files. A commit of the same files keeps it, and so does a merge that changes none."""

    def __str__(self) -> str:
        commit = f"commit {self.commit[:12]}" if self.commit else "a repository without a commit"
        return f"{commit} with uncommitted changes" if self.edited else commit


def read(folder: Path, written: Iterable[str] = ()) -> SourceTree | None:
    """Return the work tree that contains `folder`; None outside of a repository, or where git cannot read it.

    Ignored files do not count, nor do files at the paths `written`, which are relative to `folder`.
    """
    git = Git(folder)
    try:
        root, prefix = Path(git.run("rev-parse", "--show-toplevel")), git.run("rev-parse", "--show-prefix")
        commit = git.head()
        committed = {path: entry.id for path, entry in git.entries(commit).items()} if commit else {}
        files = committed | _hashes(git, root, git.edited())
    except GitError:
        return None
    left_out = tuple(f"{prefix}{path}" for path in written)
    kept = {path: digest for path, digest in files.items() if digest and not _is_under(path, left_out)}
    before = {path: digest for path, digest in committed.items() if not _is_under(path, left_out)}
    return SourceTree(commit=commit, edited=kept != before, content=_hash_of(kept))


def _is_under(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _hashes(git: Git, root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return git's hash of each file at `paths` in the work tree, empty for a deleted one."""
    kinds = {path: root / path for path in paths}
    files = [path for path, file in kinds.items() if file.is_file() and not file.is_symlink()]
    listed = "".join(f"{kinds[path]}\n" for path in files)
    hashes = dict(zip(files, git.run("hash-object", "--stdin-paths", stdin=listed).split(), strict=True))
    links = {
        path: git.run("hash-object", "--stdin", stdin=os.fsencode(file.readlink()))
        for path, file in kinds.items()
        if file.is_symlink()
    }
    return dict.fromkeys(kinds, "") | hashes | links


def _hash_of(files: dict[str, str]) -> str:
    lines = (f"{digest} {path}\0".encode(errors="surrogateescape") for path, digest in sorted(files.items()))
    return hashlib.sha256(b"".join(lines)).hexdigest()
