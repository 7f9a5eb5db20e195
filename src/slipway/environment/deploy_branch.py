"""The branch `deploy` of `origin`: the published releases, and the writes of releases and promotions.

A release commit has the tree of the merged commit, with a new `dvc.lock`, the metrics and, with the embedded store, the
model's blobs, but without workflow files (see WORKFLOWS). A promotion is a commit that changes the environment's file
and its Kubernetes manifests, so `git revert` undoes both. Every change is written with plumbing and pushed atomically;
the caller's branch, index and work tree stay unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.dvc.files import ARTIFACT
from slipway.environment import versions
from slipway.environment.spec import FOLDER
from slipway.errors import NoReleaseError, UnreadableFileError
from slipway.git import GitReadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.git import Git
    from slipway.git.history import Commit

BRANCH = "deploy"
WORKFLOWS = ".github/workflows"
"""Folder that is absent from every commit on BRANCH and from every tag.

GitHub refuses a ref that the built-in token of a workflow pushes when it contains a workflow file that is on no branch.
The workflow files of a release commit soon are: every change of a workflow on `main` outdates them.
"""
BUILT_FROM = "Built-from"
DIGEST = "Digest"
IMAGE = "Image"
COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Published:
    """A release that is registered on `deploy`."""

    version: str
    digest: str
    built_from: str
    commit: str
    """The release commit on `deploy`."""


class DeployBranch:
    """A reader and writer of the branch `deploy`; call `fetch` first."""

    def __init__(self, git: Git, remote: str = "origin") -> None:
        self.git = git
        self.remote = remote
        self.head: str | None = None
        self.tags: dict[str, str] = {}

    def fetch(self, *, stages: bool = False) -> None:
        """Fetch the branch, if it exists, and the names of the tags of versions and stages from the remote.

        With `stages`, also fetch the tags of all stages, as `fetch_stages` does.
        """
        refs = self.git.remote_refs(self.remote, f"refs/heads/{BRANCH}", f"refs/tags/{ARTIFACT}[@#]*")
        self.head = refs.get(f"refs/heads/{BRANCH}")
        self.tags = {
            name.removeprefix("refs/tags/"): refs.get(f"{name}^{{}}", commit)
            for name, commit in refs.items()
            if name.startswith("refs/tags/") and not name.endswith("^{}")
        }
        refspecs = [f"+refs/heads/{BRANCH}:refs/remotes/{self.remote}/{BRANCH}"] if self.head else []
        if stages and any(tag.startswith(f"{ARTIFACT}#") for tag in self.tags):
            refspecs.append(versions.all_stage_refs())
        if refspecs:
            self.git.fetch(self.remote, *refspecs)

    def versions(self) -> list[str]:
        """Return the registered versions, oldest first."""
        return versions.versions(self.tags)

    def published(self, version: str) -> Published:
        """Return the published release of `version`. Raises UserError when it does not exist."""
        commit = self.tags.get(versions.version_tag(version))
        if commit is None:
            newest = ", ".join(self.versions()[-3:]) or "none"
            raise NoReleaseError(
                f"{version}: no such release on {self.remote} (newest: {newest}); see `slipway release list`"
            )
        return _published(version, self.git.read_commit(commit))

    def releases(self) -> list[Published]:
        """Return the published releases, oldest first, with one call of git."""
        registered = self.versions()
        commits = self.git.read_commits([self.tags[versions.version_tag(version)] for version in registered])
        return [_published(version, commit) for version, commit in zip(registered, commits, strict=True)]

    def named(self, release: str) -> Published:
        """Return the published release that a version, or the commit it was built from, names. Raises UserError."""
        version = self.version_of(release) if COMMIT.fullmatch(release) else release
        if version is None:
            raise NoReleaseError(f"{release[:12]}: no release on {self.remote} was built from this commit")
        return self.published(version)

    def version_of(self, built_from: str) -> str | None:
        """Return the version of the release built from the commit `built_from`; None when there is none."""
        releases = reversed(self.releases())
        return next((release.version for release in releases if release.built_from == built_from), None)

    def image_of(self, digest: str) -> str | None:
        """Return the image of the newest promotion of the release `digest` that has one; None without one."""
        promotions = (commit.trailers for commit in self.commits(FOLDER))
        return next(
            (trailers[IMAGE] for trailers in promotions if trailers.get(DIGEST) == digest and IMAGE in trailers), None
        )

    def commits(self, path: str, limit: int | None = None) -> list[Commit]:
        """Return the commits that changed `path`, newest first. Raises GitReadError in a shallow clone."""
        if self.head is None:
            return []
        commits = self.git.history(self.head, paths=[path], first_parent=True, limit=limit)
        if commits and self.git.is_shallow_boundary(commits[-1]):
            raise GitReadError(f"{BRANCH}: this clone is shallow; run `git fetch --unshallow {self.remote} {BRANCH}`")
        return commits

    def fetch_stages(self) -> None:
        """Fetch the tags of all stages, whose messages and times `DesiredState` reads."""
        self.git.fetch(self.remote, versions.all_stage_refs())

    def publish(
        self, message: str, published: tuple[str, str, str], files: Mapping[str, bytes], keep: Sequence[str]
    ) -> str:
        """Register a release and return its commit, which adds `files` to the tree of the source commit.

        `published` is (version, digest, source commit). Files of the branch under the paths `keep` stay.
        """
        version, digest, built_from = published
        entries = {} if self.head is None else self.git.entries(self.head, *keep)
        kept = {path: entry.id for path, entry in entries.items()}
        tree = self.tree(built_from, {**kept, **files})
        parents = [*([self.head] if self.head else []), built_from]
        body = f"{message}\n\n{DIGEST}: {digest}\n{BUILT_FROM}: {built_from}\n"
        commit = self.git.commit(tree, parents, body)
        name = versions.version_tag(version)
        self.push(commit, {name: self.git.tag(name, commit, f"Release {version}")})
        return commit

    def tree(self, base: str, files: Mapping[str, bytes | str | None]) -> str:
        """Store the tree of `base` with `files` but without WORKFLOWS, and return its id."""
        return self.git.tree(base, {**dict.fromkeys(self.git.entries(base, WORKFLOWS)), **files})

    def push(self, commit: str, tags: Mapping[str, str]) -> None:
        """Push the branch and the tag objects by name atomically; the push fails when the branch has moved."""
        refs = [f"{tag}:refs/tags/{name}" for name, tag in tags.items()]
        self.git.push(self.remote, f"{commit}:refs/heads/{BRANCH}", *refs)

    def text(self, path: str, commit: str | None) -> str | None:
        """Return the text of a file at `commit`; None when either is missing. Raises UserError unless it is UTF-8."""
        return None if commit is None else decoded(self.git.read(commit, path), path)


def decoded(content: bytes | None, path: str) -> str | None:
    """Return the text of a file on the branch; None when it is missing. Raises UserError unless it is UTF-8."""
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{BRANCH}:{path}: not text in UTF-8; `git revert` the commit") from None


def _published(version: str, commit: Commit) -> Published:
    return Published(version, commit.trailers[DIGEST], commit.trailers[BUILT_FROM], commit.id)
