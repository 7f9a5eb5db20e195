"""The runs that check a pull request, and the comment and commit status that follow from their conclusions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from slipway.errors import SettingError


@dataclass(frozen=True)
class Checks:
    """A workflow that checks pull requests."""

    file: str
    """Name of the file in .github/workflows."""
    jobs: tuple[str, ...]
    """Results that its run may report; those of other jobs are ignored."""
    context: str
    """Status that protects `main`: the name of the job that waits for all others."""


CHECKS = (
    Checks("pull-request.yaml", ("data", "train", "compare"), "required"),
    Checks("pull-request-code.yaml", ("lint", "test"), "required-code"),
)
"""Two workflows, because GitHub reports the end of a run only, and the tests take longer than to reject broken data."""

WORKFLOWS = ".github/workflows/"


class CommentKind(StrEnum):
    """Kind of comment on the pull request."""

    REPORT = "report"
    NOTICE = "notice"
    """States that the checks did not complete, and why; there is no verdict."""
    NOTHING = "nothing"


@dataclass(frozen=True)
class Meaning:
    """Consequences of a run's conclusion."""

    comment: CommentKind
    state: str | None
    """State of the commit status after a dispatched run; None posts no status."""
    reason: str


CONCLUSIONS = {
    "success": Meaning(CommentKind.REPORT, "success", "every job succeeded and every gate passed"),
    "failure": Meaning(CommentKind.REPORT, "failure", "a job failed, or a gate did not pass"),
    "timed_out": Meaning(CommentKind.REPORT, "failure", "a job timed out"),
    "neutral": Meaning(CommentKind.REPORT, "failure", "the run ended without a verdict"),
    "cancelled": Meaning(CommentKind.NOTICE, "error", "the run was cancelled before it ended"),
    "startup_failure": Meaning(CommentKind.NOTICE, "error", "GitHub could not start the run; check the workflow file"),
    "action_required": Meaning(CommentKind.NOTHING, None, "the run waits for a maintainer's approval"),
    "skipped": Meaning(CommentKind.NOTHING, None, "no job of the run started"),
    "stale": Meaning(CommentKind.NOTHING, None, "GitHub ended the run because it took too long"),
}
"""Every conclusion of a run in GitHub's webhook schema. A run without a conclusion has not ended."""


def meaning(conclusion: str) -> Meaning:
    """Return the consequences of `conclusion`; an unknown one has none."""
    return CONCLUSIONS.get(conclusion, Meaning(CommentKind.NOTHING, None, f"unknown conclusion '{conclusion}'"))


NULLABLE = {"HEAD_OWNER", "HEAD_BRANCH"}


@dataclass(frozen=True)
class Run:
    """A workflow run, as GitHub's event describes it. An external contributor cannot forge the event."""

    repository: str
    head_sha: str
    head_owner: str
    head_branch: str
    conclusion: str
    url: str
    number: str
    """Number of the run, not of the pull request."""
    event: str
    """Event that started the run."""
    path: str
    """Path of its workflow file."""

    @property
    def checks(self) -> Checks | None:
        """Return the workflow of the run; None for any other, which a pull request may add under the same name."""
        return next((checks for checks in CHECKS if self.path.split("@")[0] == WORKFLOWS + checks.file), None)

    @classmethod
    def of_environment(cls) -> Run:
        """Read the variables that pull-request-comment.yaml sets. Raises UserError naming the first missing one.

        Owner and branch are empty after the fork was deleted.
        """
        head = ("HEAD_SHA", "HEAD_OWNER", "HEAD_BRANCH")
        names = ("GITHUB_REPOSITORY", *head, "CONCLUSION", "RUN_URL", "RUN_ID", "RUN_EVENT", "RUN_PATH")
        for name in names:
            if not os.environ.get(name) and not (name in NULLABLE and name in os.environ):
                raise SettingError(f"{name}: not set; pull-request-comment.yaml sets it from the event")
        return cls(*(os.environ[name] for name in names))
