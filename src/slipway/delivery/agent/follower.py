"""The agent's own look at the branch `deploy`: no work tree, and a remote that hangs does not hold up healing.

History is followed, never replaced: a branch that was rewritten could bring back anything, so what was seen before
stays until a person confirms the new commit on this machine.
"""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipway.delivery import environment_file, versions
from slipway.delivery.agent import state
from slipway.delivery.desired_state import BRANCH
from slipway.errors import UserError
from slipway.git import Git
from slipway.redact import redacted

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.home import Place

CONFIRMED = "refs/slipway/confirmed"
"""In the mirror: the commit that a person accepted although it does not follow what was there before."""
SHORT = 9  # digits of a commit that are shown
FETCH_SECONDS = 600  # the first fetch brings all of the branch


@dataclass(frozen=True)
class Sight:
    """One look at the remote."""

    time: float
    head: str | None = None
    """Commit of the branch; None when there is none that may be followed."""
    content: EnvironmentFile | None = None
    concluded: bool = False
    """Whether the promotion that wrote the content has its stage tag."""
    trouble: str | None = None
    """Why there is no content: then what was desired before stays desired."""
    reached: bool = True
    rewritten: str | None = None
    """Commit of a branch that was rewritten."""


class Follower:
    """Looks at one environment's file on the branch `deploy` of `remote`, a URL or a path."""

    def __init__(self, mirror: Path, remote: str, environment: str) -> None:
        self._git = Git(mirror)
        self._remote = remote
        self._environment = environment
        self._fetched: tuple[str, frozenset[str]] | None = None
        self._tags: frozenset[str] = frozenset()
        self.accepted: str | None = None
        """Commit that was followed last; whatever comes must have it among its ancestors."""
        self.latest: Sight | None = None

    def look(self) -> Sight:
        """Look now."""
        try:
            head = self._head()
        except (OSError, UserError) as error:
            trouble = f"{redacted(self._remote)}: not reached ({error}); what was desired before keeps serving"
            self.latest = Sight(time.time(), trouble=trouble, reached=False)
            return self.latest
        try:
            self.latest = self._see(head)
        except (OSError, UserError, ValueError) as error:
            shutil.rmtree(self._git.folder, ignore_errors=True)
            self._fetched = None
            trouble = f"{self._git.folder}: {error}; it is fetched anew"
            self.latest = Sight(time.time(), trouble=trouble, reached=False)
        return self.latest

    def follow(self, seconds: float) -> None:
        """Look at once, and every `seconds` from then on, in a thread that ends with the process."""

        def forever() -> None:
            while True:
                self.look()
                time.sleep(seconds)

        threading.Thread(target=forever, daemon=True).start()

    def _head(self) -> str | None:
        if not (self._git.folder / "HEAD").exists():
            self._git.folder.mkdir(parents=True, exist_ok=True)
            self._git.run("init", "--quiet", "--bare")
            self._fetched = None
        stages = f"refs/tags/{versions.stage_tag(self._environment, '*')}"
        refs = self._git.remote_refs(self._remote, f"refs/heads/{BRANCH}", stages)
        head = refs.pop(f"refs/heads/{BRANCH}", None)
        self._tags = frozenset(name.removeprefix("refs/tags/") for name in refs)
        return head

    def _see(self, head: str | None) -> Sight:
        if head is None:
            gone = f"; {self.accepted[:SHORT]} was there before" if self.accepted else " yet"
            return Sight(time.time(), trouble=f"{redacted(self._remote)}: has no branch {BRANCH}{gone}")
        seen = self.latest
        if self._fetched == (head, self._tags) and seen and seen.content and seen.head == head:
            return replace(seen, time=time.time())
        self._fetch(head)
        if not self._follows(head):
            return Sight(time.time(), trouble=self._rewritten(head), rewritten=head)
        self.accepted = head
        return self._read(head)

    def _fetch(self, head: str) -> None:
        """Whole, because only its ancestors tell whether a commit follows another; what is there is not fetched again.

        The tags of the stages come too: they say what a canary has shown.
        """
        if self._fetched != (head, self._tags):
            refs = [f"+refs/heads/{BRANCH}:refs/heads/{BRANCH}", versions.stage_refs(self._environment)]
            self._git.fetch(self._remote, *refs, prune=True, seconds=FETCH_SECONDS)
            self._fetched = head, self._tags

    def _follows(self, head: str) -> bool:
        if self.accepted in {None, head}:
            return True
        accepted = self._git.has(self.accepted)  # not in a mirror that was fetched again after the branch was rewritten
        return (accepted and self._git.is_ancestor(self.accepted, head)) or self._confirmed() == head

    def _confirmed(self) -> str | None:
        return self._git.run("for-each-ref", "--format=%(objectname)", CONFIRMED) or None

    def _rewritten(self, head: str) -> str:
        return (
            f"{BRANCH} was rewritten: {head[:SHORT]} does not follow {self.accepted[:SHORT]}, which stays desired;"
            f" push {self.accepted[:SHORT]} again, or run `slipway confirm --environment {self._environment}` here"
        )

    def _read(self, head: str) -> Sight:
        path = environment_file.path_of(self._environment)
        where = f"{BRANCH}:{path}"
        found = self._git.read(head, path)
        if found is None:
            mend = f"`slipway promote --environment {self._environment}` writes it"
            return Sight(time.time(), head, trouble=f"{where}: not there; {mend}")
        try:
            content = environment_file.parse(found.decode(), where)
        except UnicodeDecodeError:
            return Sight(time.time(), head, trouble=f"{where}: not text in UTF-8; `git revert` the commit")
        except UserError as error:
            return Sight(time.time(), head, trouble=str(error))
        return Sight(time.time(), head, content, concluded=self._is_concluded(content))

    def _is_concluded(self, content: EnvironmentFile) -> bool:
        return versions.stage_tag(self._environment, content.promotion) in self._tags


def accept_rewritten(place: Place) -> str:
    """Accept the commit of a rewritten branch that the agent of `place` saw last, and only this one; returns it.

    Raises UserError when it saw none.
    """
    known = state.read(place)
    if known is None or known.rewritten is None:
        raise UserError(f"{place.state}: tells of no rewritten branch {BRANCH}; there is nothing to confirm")
    Git(place.mirror).run("update-ref", CONFIRMED, known.rewritten)
    return known.rewritten
