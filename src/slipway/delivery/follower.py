"""The agent's own look at the branch `deploy`: no work tree, and a remote that hangs does not hold up healing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.delivery import environment_file, versions
from slipway.delivery.desired_state import BRANCH
from slipway.delivery.git import Git, GitError
from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.delivery.environment_file import EnvironmentFile


@dataclass(frozen=True)
class Sight:
    """One look at the remote."""

    time: float
    head: str | None = None
    content: EnvironmentFile | None = None
    concluded: bool = False
    """Whether the promotion that wrote the content has its stage tag."""
    trouble: str | None = None
    """Why there is no content: then what was desired before stays desired."""
    reached: bool = True


class Follower:
    """Looks at one environment's file on the branch `deploy` of `remote`, a URL or a path."""

    def __init__(self, mirror: Path, remote: str, environment: str) -> None:
        self._git = Git(mirror)
        self._remote = remote
        self._environment = environment
        self._fetched: str | None = None
        self._tags: frozenset[str] = frozenset()
        self.latest: Sight | None = None

    def look(self) -> Sight:
        """Look now."""
        try:
            head = self._head()
        except GitError as error:
            self.latest = Sight(time.time(), trouble=f"{self._remote}: not reached ({error})", reached=False)
        else:
            self.latest = self._read(head)
        return self.latest

    def follow(self, seconds: float) -> None:
        """Look every `seconds` from now on, in a thread that ends with the process."""

        def forever() -> None:
            while True:
                time.sleep(seconds)
                self.look()

        threading.Thread(target=forever, daemon=True).start()

    def _head(self) -> str | None:
        if not (self._git.folder / "HEAD").exists():
            self._git.folder.mkdir(parents=True, exist_ok=True)
            self._git.run("init", "--quiet", "--bare")
        stages = f"refs/tags/{versions.stage_tag(self._environment, '*')}"
        listed = self._git.run("ls-remote", self._remote, f"refs/heads/{BRANCH}", stages)
        refs = {name: commit for commit, name in (line.split("\t") for line in listed.splitlines())}
        head = refs.pop(f"refs/heads/{BRANCH}", None)
        self._tags = frozenset(name.removeprefix("refs/tags/") for name in refs)
        if head and head != self._fetched:
            self._git.run(
                "fetch", "--quiet", "--depth=1", "--no-tags", self._remote, f"+refs/heads/{BRANCH}:refs/heads/{BRANCH}"
            )
            self._fetched = head
        return head

    def _read(self, head: str | None) -> Sight:
        path = environment_file.path_of(self._environment)
        where = f"{BRANCH}:{path}"
        if head is None:
            return Sight(time.time(), trouble=f"{self._remote}: has no branch {BRANCH} yet")
        try:
            text = self._git.run("show", f"{head}:{path}")
        except GitError:
            return Sight(
                time.time(),
                head,
                trouble=f"{where}: not there; `slipway promote --environment {self._environment}` writes it",
            )
        try:
            content = environment_file.parse(text, where)
        except UserError as error:
            return Sight(time.time(), head, trouble=str(error))
        tag = versions.stage_tag(self._environment, content.promotion)
        return Sight(time.time(), head, content, concluded=tag in self._tags)
