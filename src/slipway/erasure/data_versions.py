"""Every version of the data: what the `*.dvc` files and dvc.lock of all commits name, by MD5."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway.dvc.files import LOCK, parse_lock, parse_pointer
from slipway.errors import UnreadableFileError, WorkTreeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.dvc.files import DvcLock
    from slipway.git import Git

SUFFIX = ".dvc"


@dataclass
class DataVersions:
    """What git names. `paths`: outputs of `*.dvc` files by digest; `locks`: the content of every dvc.lock."""

    paths: dict[str, str] = field(default_factory=dict)
    locks: list[DvcLock] = field(default_factory=list)

    def derived(self, affected: set[str], keep: str) -> dict[str, str]:
        """Return path by digest of each stage output, other than `keep`, in the locks that read an affected version."""
        return {
            out.md5: out.path
            for lock in self.locks
            if affected & {dep.md5 for stage in lock.stages.values() for dep in stage.deps}
            for stage in lock.stages.values()
            for out in stage.outs
            if out.md5 and out.path != keep
        }


def read(git: Git) -> DataVersions:
    """Return the versions in all refs of this clone, and in those of `origin`. Raises UserError in a shallow clone."""
    if git.is_shallow():
        raise WorkTreeError("this clone is shallow, so it lacks older versions; run `git fetch --unshallow`")
    if git.remote_url() is not None:
        git.fetch("origin", "+refs/heads/*:refs/remotes/origin/*")
    versions, blobs = DataVersions(), set[str]()
    for commit in git.history("--all", "--full-history", paths=[f":(glob)*{SUFFIX}", LOCK]):
        for path, blob in _files(git, commit.id):
            if blob not in blobs and (path == LOCK or path.endswith(SUFFIX)):
                blobs.add(blob)
                _add(versions, f"{commit.id[:12]}:{path}", git.run("cat-file", "blob", blob))
    return versions


def of_commit(git: Git, commit: str) -> set[str]:
    """Return the digests of the data that a commit names."""
    blobs = (git.run("cat-file", "blob", blob) for path, blob in _files(git, commit) if path.endswith(SUFFIX))
    return {digest for text in blobs for digest, _ in _outputs(commit[:12], text)}


def _files(git: Git, commit: str) -> Iterator[tuple[str, str]]:
    """Yield name and blob of each file at the root of a commit."""
    for line in git.names("ls-tree", "-z", "--full-tree", commit):
        about, name = line.split("\t", 1)
        _, kind, identity = about.split()
        if kind == "blob":
            yield name, identity


def _add(versions: DataVersions, where: str, text: str) -> None:
    if not where.endswith(LOCK):
        versions.paths.update(_outputs(where, text))
        return
    try:
        versions.locks.append(parse_lock(text))
    except ValueError:
        raise UnreadableFileError(f"{where}: not a file of DVC; nothing was changed") from None


def _outputs(where: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        outputs = parse_pointer(text).outs
    except ValueError:
        raise UnreadableFileError(f"{where}: not a file of DVC; nothing was changed") from None
    for out in outputs:
        if (out.model_extra or {}).get("hash") != "md5" or out.md5 is None:
            raise UnreadableFileError(f"{where}: {out.path} has no MD5 of DVC 3; run `dvc cache migrate --dvc-files`")
        yield out.md5, out.path
