"""The inputs of `slipway verify`: a release from the store and its record in git, each fetched once."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from slipway.dvc.files import LOCK, PIPELINE, DvcFiles
from slipway.environment import versions
from slipway.environment.desired_state import DesiredState
from slipway.errors import MissingFileError, RejectedError, UserError
from slipway.release.champion import fetch_published
from slipway.release.store import WrongReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.environment.deploy_branch import DeployBranch, Published
    from slipway.environment.spec import EnvironmentFile
    from slipway.git import Git
    from slipway.git.client import TreeEntry
    from slipway.release.manifest import Release
    from slipway.release.store import Store

MAIN = "main"


class NotChecked(Exception):  # noqa: N818  not an error: the link cannot be checked here
    """Raised for a link that cannot be checked here; `remedy` makes it checkable, and `required` fails the chain."""

    def __init__(self, reason: str, remedy: str = "", *, required: bool = True) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.required = required


@dataclass
class Trace:
    """A release and the sources that its links are compared with. `scratch` is a folder for fetched files."""

    root: Path
    branch: DeployBranch
    published: Published
    store: Store
    scratch: Path
    environment: str | None = None
    content: EnvironmentFile | None = None
    """Desired state of `environment`, if one is given."""

    @classmethod
    def of(
        cls, root: Path, branch: DeployBranch, version: str, store: Store, scratch: Path, environment: str | None = None
    ) -> Self:
        """Return the trace of `version`. Raises UserError when `origin` has no such release."""
        tag = versions.version_tag(version)
        if tag in branch.tags:  # its commit may be off the branch, which a link checks
            branch.git.fetch(branch.remote, f"refs/tags/{tag}")
        content = DesiredState(branch, environment).read() if environment else None
        return cls(root, branch, branch.published(version), store, scratch, environment, content)

    @property
    def git(self) -> Git:
        """Return the repository."""
        return self.branch.git

    @property
    def desired(self) -> tuple[str, EnvironmentFile]:
        """Return the environment and its desired state. Raises NotChecked when the trace has none."""
        if self.environment is None or self.content is None:
            raise NotChecked("no environment is given", required=False)
        return self.environment, self.content

    @property
    def release(self) -> Release:
        """Return the release, verified against its manifest. Raises UserError, or NotChecked for a wrong release."""
        if isinstance(self._fetch_result, WrongReleaseError):
            raise NotChecked("the store holds a different release; see `digest`")
        if isinstance(self._fetch_result, UserError):
            raise self._fetch_result
        return self._fetch_result

    @property
    def fetched(self) -> Release:
        """Return the release for links that read its content. Raises NotChecked when it could not be verified."""
        try:
            return self.release
        except UserError:
            raise NotChecked("the release could not be fetched completely; see `files`") from None

    def require_published(self) -> None:
        """Raise UserError when the store holds a different release under this version."""
        if isinstance(self._fetch_result, WrongReleaseError):
            raise self._fetch_result

    @cached_property
    def _fetch_result(self) -> Release | UserError:
        """Return the release or the error, so that a failed fetch is not repeated for each link."""
        try:
            return fetch_published(self.published, self.scratch / "release", self.store)
        except WrongReleaseError as error:
            return error
        except UserError as error:
            return RejectedError(re.sub(rf"{re.escape(str(self.scratch))}/[\w.-]+/", "", str(error)))

    @cached_property
    def source(self) -> dict[str, str]:
        """Return mode and id of each file of the source commit, by path."""
        return _tree(self.git.entries(self.published.built_from))

    @cached_property
    def recorded(self) -> dict[str, str]:
        """Return mode and id of each file of the release commit on `deploy`, by path."""
        return _tree(self.git.entries(self.published.commit))

    @cached_property
    def dvc(self) -> DvcFiles:
        """Return DVC's files of the source commit, with the `dvc.lock` of the release commit. Raises UserError."""
        folder = self.scratch / "dvc"
        folder.mkdir(exist_ok=True)
        pointers = (name for name in self.source if "/" not in name and name.endswith(".dvc"))
        for name in [name for name in (PIPELINE, ".dvc/config", *pointers) if name in self.source]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.read(self.published.built_from, name))
        (folder / LOCK).write_bytes(self.read(self.published.commit, LOCK))
        return DvcFiles.read(folder)

    def read(self, commit: str, path: str) -> bytes:
        """Return the content of a file at a commit. Raises UserError when it is missing."""
        content = self.git.read(commit, path)
        if content is None:
            raise MissingFileError(f"{path}: missing in commit {commit[:12]}")
        return content

    def is_ancestor(self, commit: str, of: str | None) -> bool:
        """Return whether `commit` is in the history of `of`. Raises NotChecked when the clone is too shallow."""
        if of is None:
            return False
        if self.git.has(commit) and self.git.is_ancestor(commit, of):
            return True
        if self.git.is_shallow():
            raise NotChecked("this clone is shallow", "`git fetch --unshallow`")
        return False

    def main(self) -> str:
        """Fetch the reviewed branch and return its commit. Raises UserError."""
        tracking = f"refs/remotes/{self.branch.remote}/{MAIN}"
        self.git.fetch(self.branch.remote, f"+refs/heads/{MAIN}:{tracking}")
        return self.git.run("rev-parse", "--verify", tracking)


def raise_difference(subject: str, left: str, right: str) -> NoReturn:
    """Raise the UserError of a link whose two sides differ."""
    raise RejectedError(f"{subject}: differs between {left} and {right}")


def blob_of(tree: dict[str, str], path: str) -> str | None:
    """Return the id of a file in a tree; None when it is missing."""
    return tree[path].split()[1] if path in tree else None


def blob_id(file: Path) -> str:
    """Return git's blob id of the content of a file."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _tree(entries: Mapping[str, TreeEntry]) -> dict[str, str]:
    return {path: f"{entry.mode} {entry.id}" for path, entry in entries.items()}
