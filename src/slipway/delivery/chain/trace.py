"""What `slipway verify` looks at: a release as the store has it, and what git says of it, each fetched once."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from slipway.delivery import versions
from slipway.delivery.dvc_files import LOCK, PIPELINE, DvcFiles
from slipway.delivery.store import WrongReleaseError, fetch
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.delivery.desired_state import DeployBranch, Published
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.release import Release
    from slipway.delivery.store import Store
    from slipway.git import Git
    from slipway.git.client import TreeEntry

MAIN = "main"


class NotChecked(Exception):  # noqa: N818  no error, but a link that cannot be checked here
    """A link that cannot be checked here; `mend` says what would let it, and `required` whether it must be."""

    def __init__(self, reason: str, mend: str = "", *, required: bool = True) -> None:
        super().__init__(reason)
        self.mend = mend
        self.required = required


@dataclass
class Trace:
    """One release, and everything that its links are held against. `scratch` is a folder for what is fetched."""

    root: Path
    branch: DeployBranch
    published: Published
    store: Store
    scratch: Path
    environment: str | None = None
    content: EnvironmentFile | None = None
    """What the environment should run, where one was asked for."""

    @classmethod
    def of(
        cls, root: Path, branch: DeployBranch, version: str, store: Store, scratch: Path, environment: str | None = None
    ) -> Self:
        """Of `version`, or of what `environment` should run. Raises UserError when `origin` has no such release."""
        tag = versions.version_tag(version)
        if tag in branch.tags:  # it may lead elsewhere than to the branch, which is for a link to find
            branch.git.fetch(branch.remote, f"refs/tags/{tag}")
        content = branch.read(environment) if environment else None
        return cls(root, branch, branch.published(version), store, scratch, environment, content)

    @property
    def git(self) -> Git:
        """The repository."""
        return self.branch.git

    @property
    def release(self) -> Release:
        """The release, every byte checked against its manifest. Raises UserError, or NotChecked for another one."""
        if isinstance(self._fetched, WrongReleaseError):
            raise NotChecked("the store holds another release; see `digest`")
        if isinstance(self._fetched, UserError):
            raise self._fetched
        return self._fetched

    @property
    def whole(self) -> Release:
        """The same, for links that look into it: where it was not fetched whole, they cannot be checked."""
        try:
            return self.release
        except UserError:
            raise NotChecked("the release could not be fetched whole; see `files`") from None

    def require_published(self) -> None:
        """Raise UserError when the store holds another release than the published one."""
        if isinstance(self._fetched, WrongReleaseError):
            raise self._fetched

    @cached_property
    def _fetched(self) -> Release | UserError:
        """What cannot be had is not asked for again by each link."""
        try:
            return fetch(self.store, self.published.version, self.published.digest, self.scratch / "release")
        except WrongReleaseError as error:
            return error
        except UserError as error:
            return UserError(re.sub(rf"{re.escape(str(self.scratch))}/[\w.-]+/", "", str(error)))

    @cached_property
    def source(self) -> dict[str, str]:
        """Mode and id of each file of the commit that the release was built from, by path."""
        return _tree(self.git.entries(self.published.built_from))

    @cached_property
    def recorded(self) -> dict[str, str]:
        """The same of the release commit on `deploy`."""
        return _tree(self.git.entries(self.published.commit))

    @cached_property
    def dvc(self) -> DvcFiles:
        """DVC's files of the source, with the `dvc.lock` of the release commit. Raises UserError."""
        folder = self.scratch / "dvc"
        folder.mkdir(exist_ok=True)
        wanted = [PIPELINE, ".dvc/config", *(name for name in self.source if "/" not in name and name.endswith(".dvc"))]
        for name in [name for name in wanted if name in self.source]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.shown(self.published.built_from, name))
        (folder / LOCK).write_bytes(self.shown(self.published.commit, LOCK))
        return DvcFiles.read(folder)

    def shown(self, commit: str, path: str) -> bytes:
        """A file as of a commit. Raises UserError when it is not there."""
        content = self.git.read(commit, path)
        if content is None:
            raise UserError(f"{path}: not in commit {commit[:12]}")
        return content

    def is_ancestor(self, commit: str, of: str | None) -> bool:
        """Return whether `commit` is in the history of `of`. Raises NotChecked where a shallow clone lacks them."""
        if of is None:
            return False
        if self.git.has(commit) and self.git.is_ancestor(commit, of):
            return True
        if self.git.is_shallow():
            raise NotChecked("this clone is shallow", "`git fetch --unshallow`")
        return False

    def main(self) -> str:
        """Fetch the branch that is reviewed, and return its commit. Raises UserError."""
        tracking = f"refs/remotes/{self.branch.remote}/{MAIN}"
        self.git.fetch(self.branch.remote, f"+refs/heads/{MAIN}:{tracking}")
        return self.git.run("rev-parse", "--verify", tracking)


def differ(what: str, one: str, other: str) -> NoReturn:
    """Raise the UserError of a link that found a difference."""
    raise UserError(f"{what}: not the same in {one} and in {other}")


def blob_of(tree: dict[str, str], path: str) -> str | None:
    """Id of a file in a tree; None where it is not there."""
    return tree[path].split()[1] if path in tree else None


def blob_id(file: Path) -> str:
    """The id by which git knows the content of a file."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _tree(entries: Mapping[str, TreeEntry]) -> dict[str, str]:
    return {path: f"{entry.mode} {entry.id}" for path, entry in entries.items()}
