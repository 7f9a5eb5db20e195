"""The branch `deploy` of `origin`: which releases there are, and what each environment should run.

A release is a commit whose tree is that of the merged commit with a fresh `dvc.lock`, the metrics and, with the
embedded store, the model's blob, but without workflow files (see WORKFLOWS). A promotion is a commit that changes the
environment's file and its Kubernetes manifests, so that `git revert` undoes both.
Everything is written with plumbing and pushed in one atomic push: the caller's branch, index and work tree stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.delivery import environment_file, manifests, versions
from slipway.delivery.dvc_files import ARTIFACT
from slipway.delivery.environment_file import FOLDER, EnvironmentFile, path_of
from slipway.errors import UserError
from slipway.git import GitReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slipway.git import Git
    from slipway.git.history import Commit

BRANCH = "deploy"
WORKFLOWS = ".github/workflows"
"""Folder that no commit on BRANCH and no tag holds.

GitHub refuses a ref that the built-in token of a workflow pushes if its tree has a workflow file that is on no branch.
Those of a release commit soon are: each change of a workflow on `main` leaves them behind.
"""
BUILT_FROM = "Built-from"
DIGEST = "Digest"
IMAGE = "Image"
NO_EVIDENCE = re.compile(f"(Release|Replaces|Leaves|{DIGEST}|{BUILT_FROM}|{IMAGE}): |This reverts commit ")
PROMOTION = re.compile(r"^promotion: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Published:
    """A release that `deploy` knows."""

    version: str
    digest: str
    built_from: str
    commit: str
    """The release commit on `deploy`."""


@dataclass(frozen=True)
class Promotion:
    """A commit that changed what an environment should run."""

    commit: str
    author: str
    time: str
    subject: str
    content: EnvironmentFile | None
    """None when the commit removed the file, or `problem` says why it cannot be read."""
    body: str = ""
    """Message of the commit, below its subject."""
    problem: str | None = None

    @property
    def evidence(self) -> list[str]:
        """What the message quotes: the lines that are neither a trailer nor git's own."""
        return [line for line in self.body.splitlines() if line and not NO_EVIDENCE.match(line)]


class DeployBranch:
    """Reads and writes `deploy`."""

    def __init__(self, git: Git, remote: str = "origin") -> None:
        self.git = git
        self.remote = remote
        self.head: str | None = None
        self.tags: dict[str, str] = {}

    def fetch(self) -> None:
        """Look at the remote: the branch, if it is there, and the tags of versions and stages."""
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
        """Registered versions, oldest first."""
        return versions.versions(self.tags)

    def published(self, version: str) -> Published:
        """Return the release of `version`. Raises UserError when there is none."""
        commit = self.tags.get(versions.version_tag(version))
        if commit is None:
            known = ", ".join(self.versions()[-3:]) or "none"
            raise UserError(
                f"{version}: no such release on {self.remote} (newest: {known}); see `slipway release list`"
            )
        trailers = self.git.read_commit(commit).trailers
        return Published(version, trailers[DIGEST], trailers[BUILT_FROM], commit)

    def next_assignment(self, environment: str) -> int:
        """Number of the next promotion to `environment`; that of a canary that was called off is not used again."""
        contents = (self._content(commit.id, environment) for commit in self._commits(path_of(environment)))
        used = [int(number) for content in contents for number in PROMOTION.findall(content or "")]
        return max(versions.next_assignment(self.tags, environment), 1 + max(used, default=0))

    def is_concluded(self, environment: str, content: EnvironmentFile) -> bool:
        """Whether `content` serves, or served, all of `environment`: it had no canary, or its canary passed."""
        return content.canary is None or versions.stage_tag(environment, content.promotion) in self.tags

    def version_of(self, built_from: str) -> str | None:
        """Version that was built from this commit, or None."""
        return next((name for name in reversed(self.versions()) if self.published(name).built_from == built_from), None)

    def read(self, environment: str, commit: str | None = None) -> EnvironmentFile | None:
        """What `environment` should run, now or as of `commit`; None when it has no file. Raises UserError."""
        text = self._text(path_of(environment), commit or self.head)
        return None if text is None else environment_file.parse(text, f"{BRANCH}:{path_of(environment)}")

    def image_of(self, digest: str) -> str | None:
        """Image that the newest promotion of the release `digest` with an image gave it; None without one."""
        trailers = (commit.trailers for commit in self._commits(FOLDER))
        return next((found[IMAGE] for found in trailers if found.get(DIGEST) == digest and IMAGE in found), None)

    def history(self, environment: str, limit: int | None = None) -> list[Promotion]:
        """Return the commits that changed what `environment` should run, newest first; with a limit, the newest.

        A content that breaks the rules is there with its `problem`. Raises GitReadError when git cannot read one, or
        when the clone does not have all of them.
        """
        return [self._promotion(environment, commit) for commit in self._commits(path_of(environment), limit)]

    def _commits(self, path: str, limit: int | None = None) -> list[Commit]:
        """Return the commits that changed `path`, newest first, and refuse a history that a shallow clone cut off."""
        if self.head is None:
            return []
        commits = self.git.history(self.head, paths=[path], first_parent=True, limit=limit)
        if commits and self.git.is_shallow_boundary(commits[-1]):
            raise GitReadError(
                f"{BRANCH}: this clone has its newest commits only; `git fetch --unshallow {self.remote} {BRANCH}`"
            )
        return commits

    def fetch_stages(self, environment: str) -> None:
        """Fetch the tags of a stage, for `concluded`."""
        self.git.fetch(self.remote, versions.stage_refs(environment))

    def concluded(self, environment: str) -> dict[str, list[str]]:
        """What each fetched tag of the stage says below its subject: what a canary has shown."""
        pattern = f"{versions.STAGES}{versions.stage_tag(environment, '*')}"
        told = self.git.run("for-each-ref", "--format=%(refname)%00%(contents:body)%1e", pattern)
        tags = [one.strip("\n").split("\0") for one in told.split("\x1e")[:-1]]
        return {name.removeprefix(versions.STAGES): [line for line in body.splitlines() if line] for name, body in tags}

    def publish(
        self, message: str, published: tuple[str, str, str], files: Mapping[str, bytes], keep: Sequence[str]
    ) -> str:
        """Register a release: a commit with the tree of the commit that it was built from and `files`, and its tag.

        `published` is (version, digest, commit that it was built from). What was under the paths `keep` on the branch
        stays. Returns the commit.
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
        """Give a promotion whose canary passed its stage tag. Raises UserError when another promotion took over."""
        name = versions.stage_tag(environment, content.promotion)
        if name in self.tags:
            return
        if self.read(environment) != content:
            raise UserError(
                f"{BRANCH}:{path_of(environment)}: another promotion took over; {content.release} is not its"
            )
        tag = self._assignment(environment, content.promotion, self.published(content.release).commit, message)
        self.git.push(self.remote, f"{tag}:refs/tags/{name}")

    def change(self, environment: str, content: EnvironmentFile, message: str, *, number: int | None) -> str:
        """Make `environment` run `content` from now on: one commit and, with a number, its stage tag.

        A canary has no tag until it has passed, and to call one off needs none. Returns the commit.
        """
        text = environment_file.render(environment, content)
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
        """Store the tree of `base` with `files` and without WORKFLOWS, and return its id."""
        return self.git.tree(base, {**dict.fromkeys(self.git.entries(base, WORKFLOWS)), **files})

    def _assignment(self, stage: str, number: int, release: str, message: str) -> str:
        """Store the tag that assigns `stage` to the commit `release`, and return its id.

        It is later than the stage's other tags: GTO orders them by their time, in seconds. A commit that was published
        with WORKFLOWS cannot be tagged again, so a child of it without them takes the tag.
        """
        self.fetch_stages(stage)
        pattern = f"{versions.STAGES}{versions.stage_tag(stage, '*')}"
        times = self.git.run("for-each-ref", "--format=%(taggerdate:unix)", pattern).split()
        if self.git.entries(release, WORKFLOWS):
            release = self.git.commit(self._tree(release, {}), [release], f"Leave out {WORKFLOWS}\n")
        return self.git.tag(versions.stage_tag(stage, number), release, message, max(map(int, times), default=0))

    def _push(self, commit: str, tags: Mapping[str, str]) -> None:
        """Push the branch and the tag objects by name: all or nothing; a branch that moved refuses it."""
        refs = [f"{tag}:refs/tags/{name}" for name, tag in tags.items()]
        self.git.push(self.remote, f"{commit}:refs/heads/{BRANCH}", *refs)

    def _manifests(self, environment: str, content: EnvironmentFile, release: str) -> dict[str, bytes | None]:
        """From the overlays of the release itself; a release without any takes what was there before away."""
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
        """Return the file of `environment` as of a commit, whether or not it can be parsed."""
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


def before(
    history: Sequence[Promotion], served: Callable[[EnvironmentFile], bool] = lambda _: True
) -> EnvironmentFile | None:
    """Return what ran before the release that should run now, given the history, newest first; None when nothing did.

    `served` tells whether it served all, which a canary that did not pass never did.

    A promotion goes on top, and content that was there before (a rollback) removes all that came after it: so two
    rollbacks in a row go back two releases, and do not bring the first one back. Raises UserError when a content that
    cannot be read would have to be passed over: it may be the answer.
    """
    stack: list[EnvironmentFile | Promotion] = []
    for promotion in reversed(history):
        content = promotion if promotion.problem else promotion.content
        if content in stack:
            del stack[stack.index(content) + 1 :]
        elif content is not None:
            stack.append(content)
    for content in reversed(stack):
        if isinstance(content, Promotion):
            raise UserError(f"commit {content.commit[:12]}: {content.problem}; or name a release with --to")
        if content.digest != stack[-1].digest and served(content):
            return content
    return None
