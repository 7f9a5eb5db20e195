"""The branch `deploy` of `origin`: the published releases and the desired state of each environment.

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
from slipway.environment import manifests, spec, versions
from slipway.environment.spec import FOLDER, EnvironmentFile, path_of
from slipway.errors import UserError
from slipway.git import GitReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
TRAILER_OR_REVERT = re.compile(f"(Release|Replaces|Leaves|{DIGEST}|{BUILT_FROM}|{IMAGE}): |This reverts commit ")
PROMOTION = re.compile(r"^promotion: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Published:
    """A release that is registered on `deploy`."""

    version: str
    digest: str
    built_from: str
    commit: str
    """The release commit on `deploy`."""


@dataclass(frozen=True)
class Promotion:
    """A commit that changed the desired state of an environment."""

    commit: str
    author: str
    time: str
    subject: str
    content: EnvironmentFile | None
    """The new desired state; None when the commit removed the file or the file cannot be read."""
    body: str = ""
    """Message of the commit, without its subject."""
    problem: str | None = None
    """Reason why the file cannot be read."""

    @property
    def evidence(self) -> list[str]:
        """Return the evidence lines of the message: all but trailers and git's own line of a revert."""
        return [line for line in self.body.splitlines() if line and not TRAILER_OR_REVERT.match(line)]


class DeployBranch:
    """A reader and writer of the branch `deploy`; call `fetch` first."""

    def __init__(self, git: Git, remote: str = "origin") -> None:
        self.git = git
        self.remote = remote
        self.head: str | None = None
        self.tags: dict[str, str] = {}

    def fetch(self) -> None:
        """Fetch the branch, if it exists, and the tags of versions and stages from the remote."""
        refs = self.git.remote_refs(self.remote, f"refs/heads/{BRANCH}", f"refs/tags/{ARTIFACT}[@#]*")
        self.head = refs.get(f"refs/heads/{BRANCH}")
        self.tags = {
            name.removeprefix("refs/tags/"): refs.get(f"{name}^{{}}", commit)
            for name, commit in refs.items()
            if name.startswith("refs/tags/") and not name.endswith("^{}")
        }
        if self.head:
            self.git.fetch(self.remote, f"+refs/heads/{BRANCH}:refs/remotes/{self.remote}/{BRANCH}")

    def versions(self) -> list[str]:
        """Return the registered versions, oldest first."""
        return versions.versions(self.tags)

    def published(self, version: str) -> Published:
        """Return the published release of `version`. Raises UserError when it does not exist."""
        commit = self.tags.get(versions.version_tag(version))
        if commit is None:
            newest = ", ".join(self.versions()[-3:]) or "none"
            raise UserError(
                f"{version}: no such release on {self.remote} (newest: {newest}); see `slipway release list`"
            )
        trailers = self.git.read_commit(commit).trailers
        return Published(version, trailers[DIGEST], trailers[BUILT_FROM], commit)

    def next_assignment(self, environment: str) -> int:
        """Return the number of the next promotion to `environment`; the number of an aborted canary is not reused."""
        contents = (self._content(commit.id, environment) for commit in self._commits(path_of(environment)))
        used = [int(number) for content in contents for number in PROMOTION.findall(content or "")]
        return max(versions.next_assignment(self.tags, environment), 1 + max(used, default=0))

    def is_concluded(self, environment: str, content: EnvironmentFile) -> bool:
        """Return whether `content` was promoted completely: it had no canary, or its canary passed."""
        return content.canary is None or versions.stage_tag(environment, content.promotion) in self.tags

    def version_of(self, built_from: str) -> str | None:
        """Return the version of the release built from the commit `built_from`; None when there is none."""
        return next((name for name in reversed(self.versions()) if self.published(name).built_from == built_from), None)

    def read(self, environment: str, commit: str | None = None) -> EnvironmentFile | None:
        """Return the desired state of `environment`, now or at `commit`; None without a file. Raises UserError."""
        text = self._text(path_of(environment), commit or self.head)
        return None if text is None else spec.parse(text, f"{BRANCH}:{path_of(environment)}")

    def image_of(self, digest: str) -> str | None:
        """Return the image of the newest promotion of the release `digest` that has one; None without one."""
        promotions = (commit.trailers for commit in self._commits(FOLDER))
        return next(
            (trailers[IMAGE] for trailers in promotions if trailers.get(DIGEST) == digest and IMAGE in trailers), None
        )

    def history(self, environment: str, limit: int | None = None) -> list[Promotion]:
        """Return the promotions to `environment`, newest first, at most `limit`.

        A promotion with an invalid file has a `problem`. Raises GitReadError when git cannot read a commit, or when the
        clone is shallow.
        """
        return [self._promotion(environment, commit) for commit in self._commits(path_of(environment), limit)]

    def _commits(self, path: str, limit: int | None = None) -> list[Commit]:
        """Return the commits that changed `path`, newest first. Raises GitReadError in a shallow clone."""
        if self.head is None:
            return []
        commits = self.git.history(self.head, paths=[path], first_parent=True, limit=limit)
        if commits and self.git.is_shallow_boundary(commits[-1]):
            raise GitReadError(f"{BRANCH}: this clone is shallow; run `git fetch --unshallow {self.remote} {BRANCH}`")
        return commits

    def fetch_stages(self, *environments: str) -> None:
        """Fetch the tags of stages, for `stage_evidence`."""
        self.git.fetch(self.remote, *map(versions.stage_refs, environments))

    def stage_evidence(self, environment: str) -> dict[str, list[str]]:
        """Return the evidence in the message of each fetched tag of the stage, such as the result of a canary."""
        pattern = f"{versions.STAGES}{versions.stage_tag(environment, '*')}"
        output = self.git.run("for-each-ref", "--format=%(refname)%00%(contents:body)%1e", pattern)
        tags = [record.strip("\n").split("\0") for record in output.split("\x1e")[:-1]]
        return {name.removeprefix(versions.STAGES): [line for line in body.splitlines() if line] for name, body in tags}

    def publish(
        self, message: str, published: tuple[str, str, str], files: Mapping[str, bytes], keep: Sequence[str]
    ) -> str:
        """Register a release and return its commit, which adds `files` to the tree of the source commit.

        `published` is (version, digest, source commit). Files of the branch under the paths `keep` stay.
        """
        version, digest, built_from = published
        entries = {} if self.head is None else self.git.entries(self.head, *keep)
        kept = {path: entry.id for path, entry in entries.items()}
        tree = self._tree(built_from, {**kept, **files})
        parents = [*([self.head] if self.head else []), built_from]
        body = f"{message}\n\n{DIGEST}: {digest}\n{BUILT_FROM}: {built_from}\n"
        commit = self.git.commit(tree, parents, body)
        name = versions.version_tag(version)
        self._push(commit, {name: self.git.tag(name, commit, f"Release {version}")})
        return commit

    def conclude(self, environment: str, content: EnvironmentFile, message: str) -> None:
        """Push the stage tag of a promotion whose canary passed. Raises UserError after a newer promotion."""
        name = versions.stage_tag(environment, content.promotion)
        if name in self.tags:
            return
        if self.read(environment) != content:
            raise UserError(
                f"{BRANCH}:{path_of(environment)}: a newer promotion replaced {content.release}; nothing was changed"
            )
        tag = self._assignment(environment, content.promotion, self.published(content.release).commit, message)
        self.git.push(self.remote, f"{tag}:refs/tags/{name}")

    def change(self, environment: str, content: EnvironmentFile, message: str, *, number: int | None) -> str:
        """Push `content` as the desired state of `environment`: one commit and, with a `number`, its stage tag.

        A canary has no stage tag until it passes, and aborting one needs none. Returns the commit.
        """
        if self.head is None:
            raise UserError(f"{BRANCH}: no such branch on {self.remote}; run `slipway release publish` first")
        text = spec.render(environment, content)
        release = self.published(content.release).commit
        files = {path_of(environment): text.encode(), **self._manifests(environment, content, release)}
        commit = self.git.commit(self._tree(self.head, files), [self.head], message)
        tags = {}
        if number is not None:
            tag = self._assignment(environment, number, release, message.splitlines()[0])
            tags = {versions.stage_tag(environment, number): tag}
        self._push(commit, tags)
        return commit

    def _tree(self, base: str, files: Mapping[str, bytes | str | None]) -> str:
        """Store the tree of `base` with `files` but without WORKFLOWS, and return its id."""
        return self.git.tree(base, {**dict.fromkeys(self.git.entries(base, WORKFLOWS)), **files})

    def _assignment(self, stage: str, number: int, release: str, message: str) -> str:
        """Store the tag that assigns `stage` to the commit `release`, and return its id.

        Its time is later than that of the stage's other tags, because GTO sorts them by time in seconds. A commit with
        WORKFLOWS cannot be tagged again, so the tag points to a child of it without them.
        """
        self.fetch_stages(stage)
        pattern = f"{versions.STAGES}{versions.stage_tag(stage, '*')}"
        times = self.git.run("for-each-ref", "--format=%(taggerdate:unix)", pattern).split()
        if self.git.entries(release, WORKFLOWS):
            release = self.git.commit(self._tree(release, {}), [release], f"Leave out {WORKFLOWS}\n")
        return self.git.tag(versions.stage_tag(stage, number), release, message, max(map(int, times), default=0))

    def _push(self, commit: str, tags: Mapping[str, str]) -> None:
        """Push the branch and the tag objects by name atomically; the push fails when the branch has moved."""
        refs = [f"{tag}:refs/tags/{name}" for name, tag in tags.items()]
        self.git.push(self.remote, f"{commit}:refs/heads/{BRANCH}", *refs)

    def _manifests(self, environment: str, content: EnvironmentFile, release: str) -> dict[str, bytes | None]:
        """Return the manifests from the release's own overlay by path; None removes them, without an overlay."""
        template = self._text(manifests.template_of(environment), release)
        filled = None if template is None else manifests.fill(template, environment, content).encode()
        return {manifests.path_of(environment): filled}

    def _text(self, path: str, commit: str | None) -> str | None:
        content = None if commit is None else self.git.read(commit, path)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            raise UserError(f"{BRANCH}:{path}: not text in UTF-8; `git revert` the commit") from None

    def _content(self, commit: str, environment: str) -> str | None:
        """Return the text of the file of `environment` at a commit, valid or not."""
        content = self.git.read(commit, path_of(environment))
        return None if content is None else content.decode(errors="replace")

    def _promotion(self, environment: str, commit: Commit) -> Promotion:
        content, problem = None, None
        try:
            content = self.read(environment, commit.id)
        except GitReadError:
            raise
        except UserError as error:
            problem = str(error)
        time = commit.committed.isoformat()
        return Promotion(commit.id, commit.author, time, commit.subject, content, commit.body, problem)


def previous_release(
    history: Sequence[Promotion], served: Callable[[EnvironmentFile], bool] = lambda _: True
) -> EnvironmentFile | None:
    """Return the desired state to which a rollback returns, given the history, newest first; None without one.

    `served` returns whether a state served all requests, which a canary that did not pass never did.

    The history is a stack: a promotion is pushed, and a rollback pops everything above its target. Two rollbacks in a
    row therefore go back two releases. Raises UserError when an unreadable state is on the way, since it may be the
    target.
    """
    stack: list[EnvironmentFile | Promotion] = []
    for promotion in reversed(history):
        content = promotion if promotion.problem else promotion.content
        if content in stack:
            del stack[stack.index(content) + 1 :]
        elif content is not None:
            stack.append(content)
    current_digest: str | None = None
    for content in reversed(stack):
        if isinstance(content, Promotion):
            raise UserError(f"commit {content.commit[:12]}: {content.problem}; or name a release with --to")
        if current_digest is None:
            current_digest = content.digest
        elif content.digest != current_digest and served(content):
            return content
    return None
