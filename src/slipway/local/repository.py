"""A throwaway `origin` with its author's clone, and GitHub's part of a pull request: merge commits and events."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.dvc.files import embedded_store
from slipway.errors import ToolError, WorkTreeError
from slipway.git import Git, GitError
from slipway.local import push_rule
from slipway.local.act import REPOSITORY, STANDINS, GitHubEvent
from slipway.local.bytecode import ENVIRONMENTS, SOURCE
from slipway.pull_request import engine

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTECODE_SCRIPT = STANDINS / "actions" / "setup-python" / "share-bytecode.sh"
COMMAND_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class PullRequest:
    """An open pull request."""

    number: int
    title: str
    branch: str
    head: str
    base: str
    merge: str
    """The commit of `refs/pull/<number>/merge`, which the workflows check out."""

    def event(self) -> GitHubEvent:
        """Return the event that GitHub sends when the pull request is opened."""
        repository = {"full_name": REPOSITORY, "default_branch": "main"}
        payload = {
            "action": "opened",
            "number": self.number,
            "pull_request": {
                "number": self.number,
                "title": self.title,
                "body": "",
                "head": {"ref": self.branch, "sha": self.head, "repo": repository},
                "base": {"ref": "main", "sha": self.base, "repo": repository},
                "merge_commit_sha": self.merge,
            },
            "repository": repository,
        }
        return GitHubEvent("pull_request", payload)


class Repository:
    """A bare `origin` in `folder`, and its author's clone next to it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.origin = folder / "origin.git"
        self.author = folder / "author"
        self._env = env
        self._opened = 0

    def create(self, source: Path) -> None:
        """Create `origin` with a first commit that holds the files of HEAD in `source`."""
        commit = self.git("rev-parse", "--verify", "--quiet", "HEAD", cwd=source)
        self.author.mkdir()
        archive = self.author / "source.tar"
        archive.write_bytes(Git(source, self._env).archive("HEAD"))
        run(["tar", "-xf", archive.name], self.author, self._env)
        archive.unlink()
        self.git("init", "--quiet", "--bare", str(self.origin))
        push_rule.install(self.origin)
        self.git("init", "--quiet")
        self.git("remote", "add", "origin", str(self.origin))
        self.git("add", "--all", "--force")  # the source may track files that its .gitignore lists
        if not (self.author / engine.LOCK).exists():  # `slipway new` writes it in a fork
            engine.write_lock(Git(self.author, self._env), self.git("write-tree"))
            self.git("add", str(engine.LOCK))
        self.commit(f"Import {commit[:12]}")
        self.git("push", "--quiet", "--set-upstream", "origin", "main")

    def use_local_remote(self) -> None:
        """Copy the data to a DVC remote next to `origin`, so that pushes never reach the user's remote.

        Does nothing for the embedded store, which is part of the repository.
        """
        if embedded_store(self.author):
            return
        self._dvc("pull", "--quiet", "data.dvc")
        self._dvc("remote", "add", "--quiet", "--force", "--default", "throwaway", str(self.origin.parent / "pushed"))
        self._dvc("push", "--quiet", "data.dvc")
        self.commit("Store the data in a local remote")
        self.git("push", "--quiet", "origin", "main")

    def _dvc(self, *arguments: str) -> str:
        return run(["dvc", *arguments], self.author, self._env)

    def commit(self, message: str) -> str:
        """Commit every change of the author. Return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Create the branch `name` at the newest `main`, and check it out."""
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "--no-track", "-B", name, "origin/main")

    def open_pull_request(self, title: str) -> PullRequest:
        """Push the author's branch and the merge commit that GitHub would create for it."""
        branch, head = self.git("symbolic-ref", "--short", "HEAD"), self.git("rev-parse", "HEAD")
        base = self.git("rev-parse", "origin/main")
        self._opened += 1
        self.git("checkout", "--quiet", "--detach", base)
        merge = self._merge(head, f"Merge {head} into {base}")
        self.git("checkout", "--quiet", branch)
        pull = f"refs/pull/{self._opened}"
        self.git("push", "--quiet", "origin", branch, f"{head}:{pull}/head", f"{merge}:{pull}/merge")
        return PullRequest(self._opened, title, branch, head, base, merge)

    def merge(self, pull: PullRequest) -> str:
        """Merge `pull` as GitHub's merge button does. Return the new commit of `main`."""
        self.git("checkout", "--quiet", "-B", "main", "origin/main")
        merged = self._merge(pull.head, f"Merge pull request #{pull.number}: {pull.title}")
        self.git("push", "--quiet", "origin", "main")
        return merged

    def _merge(self, head: str, message: str) -> str:
        self.git("merge", "--quiet", "--no-ff", "-m", message, head)
        return self.git("rev-parse", "HEAD")

    def push_event(self) -> GitHubEvent:
        """Return the event that GitHub sends for the newest push to `main`."""
        after = self.git("ls-remote", str(self.origin), "refs/heads/main").split()[0]
        return GitHubEvent("push", {"ref": "refs/heads/main", "after": after, "repository": {"full_name": REPOSITORY}})

    def checkout(self, folder: Path, reference: str) -> Path:
        """Clone `origin` and check out `reference`, as actions/checkout does with `fetch-depth: 0`."""
        self.git("clone", "--quiet", "--no-local", str(self.origin), str(folder), cwd=self.origin.parent)
        if reference != "refs/heads/main":
            self.git("fetch", "--quiet", "origin", reference, cwd=folder)
            self.git("checkout", "--quiet", "--detach", "FETCH_HEAD", cwd=folder)
        return folder

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git in `cwd`, by default the author's clone, and return its output. Raises GitError."""
        return Git(cwd or self.author, self._env).run(*arguments, seconds=COMMAND_TIMEOUT_SECONDS)


def install(tree: Path, env: Mapping[str, str]) -> None:
    """Install the locked packages in `tree`."""
    run(["bash", str(BYTECODE_SCRIPT), *ENVIRONMENTS, SOURCE], tree, env)
    run(["uv", "sync", "--frozen", "--quiet"], tree, env)


def run(command: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Run `command` and return its stdout. Raises UserError with its last line of output if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode} without output"]
        raise ToolError(f"{' '.join(command)}: {lines[-1]}")
    return done.stdout.strip()


def uncommitted(source: Path) -> list[str]:
    """Return the files in `source` that differ from HEAD. Raises UserError without a commit or without git."""
    git = Git(source)
    try:
        head = git.head()
    except GitError as error:
        head, reason = None, f" ({error})"
    else:
        reason = ""
    if head is None:
        fix = "clone the repository and run this in its root"
        raise WorkTreeError(f"{source}: not a git repository with a commit{reason}; {fix}")
    return list(git.edited())
