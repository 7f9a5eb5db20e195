"""The desired state of an environment on the branch `deploy`: its file, manifests, promotions and stage tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.environment import manifests, spec, versions
from slipway.environment.deploy_branch import BRANCH, BUILT_FROM, DIGEST, IMAGE, WORKFLOWS, decoded
from slipway.environment.spec import EnvironmentFile
from slipway.errors import NoReleaseError, RemoteMovedError, UnreadableFileError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway.environment.deploy_branch import DeployBranch
    from slipway.git.history import Commit

TRAILER_OR_REVERT = re.compile(f"(Release|Replaces|Leaves|{DIGEST}|{BUILT_FROM}|{IMAGE}): |This reverts commit ")
PROMOTION = re.compile(r"^promotion: (\d+)$", re.MULTILINE)


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


class DesiredState:
    """A reader and writer of the desired state of `environment` on a fetched `branch`."""

    def __init__(self, branch: DeployBranch, environment: str) -> None:
        self.branch = branch
        self.environment = environment
        self.path = spec.path_of(environment)

    def read(self, commit: str | None = None) -> EnvironmentFile | None:
        """Return the desired state of the environment, now or at `commit`; None without a file. Raises UserError."""
        return self._parsed(self.branch.text(self.path, commit or self.branch.head))

    def _parsed(self, text: str | None) -> EnvironmentFile | None:
        return None if text is None else spec.parse(text, f"{BRANCH}:{self.path}")

    def history(self, limit: int | None = None) -> list[Promotion]:
        """Return the promotions to the environment, newest first, at most `limit`.

        A promotion with an invalid file has a `problem`. Raises GitReadError when git cannot read a commit, or when the
        clone is shallow.
        """
        return [self._promotion(commit, data) for commit, data in self._files(limit)]

    def _files(self, limit: int | None = None) -> list[tuple[Commit, bytes | None]]:
        """Return the commits that changed the file of the environment, newest first, each with its content."""
        commits = self.branch.commits(self.path, limit)
        contents = self.branch.git.read_each([commit.id for commit in commits], self.path)
        return list(zip(commits, contents, strict=True))

    def _promotion(self, commit: Commit, data: bytes | None) -> Promotion:
        content, problem = None, None
        try:
            content = self._parsed(decoded(data, self.path))
        except UserError as error:
            problem = str(error)
        time = commit.committed.isoformat()
        return Promotion(commit.id, commit.author, time, commit.subject, content, commit.body, problem)

    def next_assignment(self) -> int:
        """Return the number of the next promotion to the environment; the number of an aborted canary is not reused."""
        contents = ((data or b"").decode(errors="replace") for _, data in self._files())
        used = [int(number) for text in contents for number in PROMOTION.findall(text)]
        return max(versions.next_assignment(self.branch.tags, self.environment), 1 + max(used, default=0))

    def is_concluded(self, content: EnvironmentFile) -> bool:
        """Return whether `content` was promoted completely: it had no canary, or its canary passed."""
        return content.canary is None or self._stage_tag(content.promotion) in self.branch.tags

    def change(self, content: EnvironmentFile, message: str, *, number: int | None) -> str:
        """Push `content` as the desired state of the environment: one commit and, with a `number`, its stage tag.

        A canary has no stage tag until it passes, and aborting one needs none. Returns the commit.
        """
        if self.branch.head is None:
            raise NoReleaseError(
                f"{BRANCH}: no such branch on {self.branch.remote}; run `slipway release publish` first"
            )
        text = spec.render(self.environment, content)
        release = self.branch.published(content.release).commit
        files = {self.path: text.encode(), **self._manifests(content, release)}
        commit = self.branch.git.commit(self.branch.tree(self.branch.head, files), [self.branch.head], message)
        tags = {}
        if number is not None:
            tag = self._assignment(number, release, message.splitlines()[0])
            tags = {self._stage_tag(number): tag}
        self.branch.push(commit, tags)
        return commit

    def conclude(self, content: EnvironmentFile, message: str) -> None:
        """Push the stage tag of a promotion whose canary passed. Raises UserError after a newer promotion."""
        name = self._stage_tag(content.promotion)
        if name in self.branch.tags:
            return
        if self.read() != content:
            raise RemoteMovedError(
                f"{BRANCH}:{self.path}: a newer promotion replaced {content.release}; nothing was changed"
            )
        tag = self._assignment(content.promotion, self.branch.published(content.release).commit, message)
        self.branch.git.push(self.branch.remote, f"{tag}:refs/tags/{name}")

    def _assignment(self, number: int, release: str, message: str) -> str:
        """Store the tag that assigns the stage to the commit `release`, and return its id.

        Its time is later than that of the stage's other tags, because GTO sorts them by time in seconds. A commit with
        WORKFLOWS cannot be tagged again, so the tag points to a child of it without them.
        """
        self.branch.fetch_stages()
        pattern = f"{versions.STAGES}{self._stage_tag('*')}"
        times = self.branch.git.run("for-each-ref", "--format=%(taggerdate:unix)", pattern).split()
        if self.branch.git.entries(release, WORKFLOWS):
            release = self.branch.git.commit(self.branch.tree(release, {}), [release], f"Leave out {WORKFLOWS}\n")
        return self.branch.git.tag(self._stage_tag(number), release, message, max(map(int, times), default=0))

    def _manifests(self, content: EnvironmentFile, release: str) -> dict[str, bytes | None]:
        """Return the manifests from the release's own templates by path; None removes one without a template."""
        filled: dict[str, bytes | None] = {}
        for kind in manifests.KINDS:
            template = self.branch.text(manifests.template_of(self.environment, kind), release)
            text = None if template is None else manifests.fill(template, self.environment, content, kind)
            filled[manifests.path_of(self.environment, kind)] = None if text is None else text.encode()
        return filled

    def _stage_tag(self, number: int | str) -> str:
        return versions.stage_tag(self.environment, number)

    def stage_evidence(self) -> dict[str, list[str]]:
        """Return the evidence in the message of each fetched tag of the stage, such as the result of a canary."""
        pattern = f"{versions.STAGES}{self._stage_tag('*')}"
        output = self.branch.git.run("for-each-ref", "--format=%(refname)%00%(contents:body)%1e", pattern)
        tags = [record.strip("\n").split("\0") for record in output.split("\x1e")[:-1]]
        return {name.removeprefix(versions.STAGES): [line for line in body.splitlines() if line] for name, body in tags}


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
        state = promotion.content and promotion.content.release_state
        content = promotion if promotion.problem else state
        if content in stack:
            del stack[stack.index(content) + 1 :]
        elif content is not None:
            stack.append(content)
    current_digest: str | None = None
    for content in reversed(stack):
        if isinstance(content, Promotion):
            raise UnreadableFileError(f"commit {content.commit[:12]}: {content.problem}; or name a release with --to")
        if current_digest is None:
            current_digest = content.digest
        elif content.digest != current_digest and served(content):
            return content
    return None
