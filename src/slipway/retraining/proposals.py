"""The pull requests that retraining opened: all of one branch, so that there is one at most at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from slipway import github

if TYPE_CHECKING:
    from slipway.git import Git

BRANCH = "retrain"
ONE_AND_THE_SAME = timedelta(hours=1)  # a push, and the opening of its pull request
TOKENS = ("GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_TOKEN")


@dataclass(frozen=True)
class Proposal:
    """A pull request of ours."""

    number: int
    opened: datetime
    is_open: bool
    url: str


def can_ask() -> bool:
    """Whether GitHub can be asked: in a workflow, or with its variables set."""
    return bool(os.environ.get("GITHUB_REPOSITORY")) and any(os.environ.get(name) for name in TOKENS)


def listed(repository: str) -> list[Proposal]:
    """Every proposal there was, newest first."""
    head = quote(f"{repository.split('/')[0]}:{BRANCH}", safe="")
    found = github.call("GET", f"repos/{repository}/pulls?state=all&head={head}&per_page=100")
    proposals = (
        Proposal(one["number"], _time(one["created_at"]), one["state"] == "open", one["html_url"]) for one in found
    )
    return sorted(proposals, key=lambda proposal: proposal.opened, reverse=True)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def head(git: Git) -> str | None:
    """Newest commit of the branch on origin, which is fetched; None when there is no such branch."""
    newest = git.remote_refs("origin", f"refs/heads/{BRANCH}").get(f"refs/heads/{BRANCH}")
    if newest is not None:
        git.fetch("origin", f"refs/heads/{BRANCH}")
    return newest


def times(git: Git) -> list[datetime]:
    """When retraining was proposed, as far as can be told: each pull request, and the last push to its branch."""
    opened = [proposal.opened for proposal in listed(os.environ["GITHUB_REPOSITORY"])] if can_ask() else []
    newest = head(git)
    if newest is None:
        return opened
    pushed = git.read_commit(newest).committed.astimezone(UTC)
    return opened if any(abs(pushed - time) < ONE_AND_THE_SAME for time in opened) else [*opened, pushed]
