"""Poller of the branch `deploy`: it needs no work tree, and a remote that hangs does not block healing.

The follower accepts only commits that descend from the previous one, because a rewritten branch could restore any old
state. After a rewrite, the previous content stays desired until an operator confirms the new commit on this machine.
"""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from slipway.environment import approvals, soak, spec, state, versions
from slipway.environment.deploy_branch import BRANCH
from slipway.errors import NoReleaseError, UserError
from slipway.git import Git
from slipway.git.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile, Policy
    from slipway.git.history import Commit

CONFIRMED = "refs/slipway/confirmed"
"""Reference in the mirror to the commit that an operator confirmed after a rewrite."""
SHORT_COMMIT_DIGITS = 9
FETCH_TIMEOUT_SECONDS = 600  # the first fetch downloads the whole branch


@dataclass(frozen=True)
class Observation:
    """Result of one poll of the remote."""

    time: float
    head: str | None = None
    """Accepted commit of the branch, or None."""
    content: EnvironmentFile | None = None
    concluded: bool = False
    """Whether the promotion that wrote the content has its stage tag."""
    problem: str | None = None
    """Reason for missing content. The previous content then stays desired."""
    reached: bool = True
    rewritten: str | None = None
    """Commit of a rewritten branch."""


class Follower:
    """Polls the file of one environment on the branch `deploy` of `remote`, a URL or a path."""

    def __init__(self, mirror: Path, remote: str, environment: str) -> None:
        self._git = Git(mirror)
        self._remote = remote
        self._environment = environment
        self._stages = sorted({environment, soak.SOAKS_IN})
        self._fetched: tuple[str, frozenset[str]] | None = None
        self._tags: frozenset[str] = frozenset()
        self.accepted: str | None = None
        """Newest accepted commit. The next one must descend from it."""
        self.latest: Observation | None = None

    def poll(self) -> Observation:
        """Poll the remote once."""
        try:
            head = self._head()
        except (OSError, UserError) as error:
            problem = f"{error}; the current release keeps serving"
            self.latest = Observation(time.time(), problem=problem, reached=False)
            return self.latest
        try:
            self.latest = self._observe(head)
        except (OSError, UserError, ValueError) as error:
            shutil.rmtree(self._git.folder, ignore_errors=True)
            self._fetched = None
            problem = f"{self._git.folder}: {error}; the mirror will be fetched again"
            self.latest = Observation(time.time(), problem=problem, reached=False)
        return self.latest

    def start_polling(self, interval_seconds: float) -> None:
        """Poll now and every `interval_seconds`, in a thread that ends with the process."""

        def poll_forever() -> None:
            while True:
                self.poll()
                time.sleep(interval_seconds)

        threading.Thread(target=poll_forever, daemon=True).start()

    def _head(self) -> str | None:
        if not (self._git.folder / "HEAD").exists():
            self._git.folder.mkdir(parents=True, exist_ok=True)
            self._git.run("init", "--quiet", "--bare")
            self._fetched = None
        stages = [f"refs/tags/{versions.stage_tag(stage, '*')}" for stage in self._stages]
        refs = self._git.remote_refs(self._remote, f"refs/heads/{BRANCH}", *stages)
        head = refs.pop(f"refs/heads/{BRANCH}", None)
        self._tags = frozenset(name.removeprefix("refs/tags/") for name in refs)
        return head

    def _observe(self, head: str | None) -> Observation:
        if head is None:
            past = f"; its last commit was {self.accepted[:SHORT_COMMIT_DIGITS]}" if self.accepted else " yet"
            return Observation(time.time(), problem=f"{redacted(self._remote)}: has no branch {BRANCH}{past}")
        previous = self.latest
        if self._fetched == (head, self._tags) and previous and previous.content and previous.head == head:
            return replace(previous, time=time.time())
        self._fetch(head)
        if self.accepted is not None and not self._descends(head, self.accepted):
            return Observation(time.time(), problem=self._rewrite_message(head, self.accepted), rewritten=head)
        self.accepted = head
        return self._read(head)

    def _fetch(self, head: str) -> None:
        """Fetch the branch with its history, which shows whether a commit descends from another.

        Fetch the stage tags as well: they record the results of canaries, here and where releases soak.
        """
        if self._fetched != (head, self._tags):
            stages = map(versions.stage_refs, self._stages)
            refs = [f"+refs/heads/{BRANCH}:refs/heads/{BRANCH}", *stages]
            self._git.fetch(self._remote, *refs, prune=True, seconds=FETCH_TIMEOUT_SECONDS)
            self._fetched = head, self._tags

    def _descends(self, head: str, accepted: str) -> bool:
        if accepted == head:
            return True
        # a mirror that was fetched again after a rewrite does not contain the accepted commit
        descends = self._git.has(accepted) and self._git.is_ancestor(accepted, head)
        return descends or self._confirmed() == head

    def _confirmed(self) -> str | None:
        return self._git.run("for-each-ref", "--format=%(objectname)", CONFIRMED) or None

    def _rewrite_message(self, head: str, accepted: str) -> str:
        new, old = head[:SHORT_COMMIT_DIGITS], accepted[:SHORT_COMMIT_DIGITS]
        return (
            f"{BRANCH} was rewritten: {new} does not descend from {old}, which stays desired;"
            f" push {old} again, or run `slipway confirm --environment {self._environment}` here"
        )

    def _read(self, head: str) -> Observation:
        path = spec.path_of(self._environment)
        where = f"{BRANCH}:{path}"
        data = self._git.read(head, path)
        if data is None:
            fix = f"`slipway promote --environment {self._environment}` writes it"
            return Observation(time.time(), head, problem=f"{where}: missing; {fix}")
        try:
            content = spec.parse(data.decode(), where)
        except UnicodeDecodeError:
            return Observation(time.time(), head, problem=f"{where}: not text in UTF-8; `git revert` the commit")
        except UserError as error:
            return Observation(time.time(), head, problem=str(error))
        if lack := self._lack(head, content):
            return Observation(time.time(), head, problem=f"{where}: {lack}; the current release keeps serving")
        return Observation(time.time(), head, content, concluded=self._is_concluded(content))

    def _lack(self, head: str, content: EnvironmentFile) -> str | None:
        """Return what a commit by hand lacks for the policy before it or its own, with the fix; None if nothing.

        A release that was promoted before is allowed, because a rollback is urgent. A promotion has its stage tag, and
        its number occurs first with its own release, so an edit of the release under an old number is none.
        """
        newest = self._history(head, self._environment, limit=2)
        policies = [parsed.policy for _, parsed in newest if parsed and parsed.policy]
        lack = self._lack_of_approval(head, content, policies) or self._lack_of_soak(head, content, policies)
        return lack if lack and content.digest not in self._promoted(head) else None

    def _lack_of_approval(self, head: str, content: EnvironmentFile, policies: Sequence[Policy]) -> str | None:
        approval = self._git.read(head, approvals.path_of(self._environment, content.release))
        if not any(policy.approval for policy in policies) or approval == approvals.text_of(content.digest).encode():
            return None
        fix = f"`slipway approve --environment {self._environment} --release {content.release}`, or `git revert`"
        return f"{content.release} has no approval, which the policy requires; {fix}"

    def _lack_of_soak(self, head: str, content: EnvironmentFile, policies: Sequence[Policy]) -> str | None:
        hours = max((policy.soak_hours for policy in policies), default=0)
        if not hours or self._environment == soak.SOAKS_IN:
            return None
        changes = [
            soak.Change(commit.committed.astimezone(UTC), parsed.digest if parsed and self._soaks(parsed) else None)
            for commit, parsed in self._history(head, soak.SOAKS_IN)
        ]
        soaked = soak.longest(changes, content.digest, datetime.now(UTC))
        if soaked >= timedelta(hours=hours):
            return None
        return (
            f"{content.release} has soaked in {soak.SOAKS_IN} for {soaked.total_seconds() / 3600:.1f} of the"
            f" {hours:g} hours that the policy requires; wait, or `git revert`"
        )

    def _soaks(self, content: EnvironmentFile) -> bool:
        """Return whether a release soaks with `content` of staging: it has no canary, or its canary passed."""
        return content.canary is None or versions.stage_tag(soak.SOAKS_IN, content.promotion) in self._tags

    def _promoted(self, head: str) -> set[str]:
        """Return the digests of the releases whose promotion has its stage tag."""
        first_of: dict[int, EnvironmentFile] = {}
        for _, content in reversed(self._history(head, self._environment)):
            if content:
                first_of.setdefault(content.promotion, content)
        return {content.digest for content in first_of.values() if self._is_concluded(content)}

    def _history(
        self, head: str, environment: str, limit: int | None = None
    ) -> list[tuple[Commit, EnvironmentFile | None]]:
        """Return the commits that changed the file of `environment`, newest first, each with its content.

        The content is None if the file is missing or invalid.
        """
        path = spec.path_of(environment)
        commits = self._git.history(head, paths=[path], first_parent=True, limit=limit)
        contents = self._git.read_each([commit.id for commit in commits], path)
        return [(commit, _parsed(content)) for commit, content in zip(commits, contents, strict=True)]

    def _is_concluded(self, content: EnvironmentFile) -> bool:
        return versions.stage_tag(self._environment, content.promotion) in self._tags


def _parsed(data: bytes | None) -> EnvironmentFile | None:
    """Return the content of an environment's file; None if it is missing or invalid."""
    try:
        return spec.parse((data or b"").decode(), "")
    except (UnicodeDecodeError, UserError):
        return None


def accept_rewritten(place: Place) -> str:
    """Accept the commit of the rewritten branch that the agent of `place` reported, and return it.

    No other commit is accepted. Raises UserError if the agent reported none.
    """
    observed = state.read(place)
    if observed is None or observed.rewritten is None:
        raise NoReleaseError(f"{place.state}: no rewritten branch {BRANCH} is reported; there is nothing to confirm")
    Git(place.mirror).run("update-ref", CONFIRMED, observed.rewritten)
    return observed.rewritten
