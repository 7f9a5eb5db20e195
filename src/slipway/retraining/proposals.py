"""The pull requests that retraining opened. They share a branch, so at most one is open at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from slipway.github import api, workflows

if TYPE_CHECKING:
    from slipway.git import Git

BRANCH = "retrain"
PUSH_TO_OPEN_MAX = timedelta(hours=1)  # between a push and the opening of its pull request


@dataclass(frozen=True)
class Proposal:
    """A pull request of a retraining."""

    number: int
    opened: datetime
    is_open: bool
    url: str


def listed(repository: str) -> list[Proposal]:
    """Return every proposal, open or closed, newest first."""
    head = quote(f"{repository.split('/')[0]}:{BRANCH}", safe="")
    pulls = api.call("GET", f"repos/{repository}/pulls?state=all&head={head}&per_page=100")
    proposals = (
        Proposal(pull["number"], _time(pull["created_at"]), pull["state"] == "open", pull["html_url"]) for pull in pulls
    )
    return sorted(proposals, key=lambda proposal: proposal.opened, reverse=True)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def head(git: Git) -> str | None:
    """Fetch the branch from origin and return its newest commit; None if there is no such branch."""
    newest = git.remote_refs("origin", f"refs/heads/{BRANCH}").get(f"refs/heads/{BRANCH}")
    if newest is not None:
        git.fetch("origin", f"refs/heads/{BRANCH}")
    return newest


def times(git: Git) -> list[datetime]:
    """Return the times of earlier proposals: of each pull request, and of a last push without one.

    Without credentials, only the last push is known.
    """
    repository = workflows.writable_repository()
    opened = [proposal.opened for proposal in listed(repository)] if repository else []
    newest = head(git)
    if newest is None:
        return opened
    pushed = git.read_commit(newest).committed.astimezone(UTC)
    return opened if any(abs(pushed - time) < PUSH_TO_OPEN_MAX for time in opened) else [*opened, pushed]
