"""git in the repository of a test, with an author and without the settings of the user."""

from __future__ import annotations

import subprocess

from tests import hostile_git

AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.invalid")


def git(*arguments: str) -> str:
    """Run git in the current folder, and return what it prints."""
    command = ["git", *AUTHOR, *arguments]
    return subprocess.run(command, env=hostile_git.without(), capture_output=True, text=True, check=True).stdout.strip()


def commit(message: str = "Change") -> None:
    """Commit every change, or an empty commit."""
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", message)
