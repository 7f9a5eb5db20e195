"""The run of pull-request.yaml that has ended, and what its conclusion calls for: a report, a notice or nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from slipway.errors import UserError


class Answer(StrEnum):
    """What the comment job writes on the pull request."""

    REPORT = "report"
    NOTICE = "notice"
    """That the checks did not end, and why: there is no verdict."""
    NOTHING = "nothing"


@dataclass(frozen=True)
class Meaning:
    """What a conclusion stands for."""

    answer: Answer
    state: str | None
    """Of the commit status `required`, where a run by dispatch decides it; None posts none."""
    why: str


CONCLUSIONS = {
    "success": Meaning(Answer.REPORT, "success", "every job succeeded and every gate passed"),
    "failure": Meaning(Answer.REPORT, "failure", "a job failed, or a gate did not pass"),
    "timed_out": Meaning(Answer.REPORT, "failure", "a job ran out of time"),
    "neutral": Meaning(Answer.REPORT, "failure", "the run ended without a verdict"),
    "cancelled": Meaning(Answer.NOTICE, "error", "the run was cancelled before it ended"),
    "startup_failure": Meaning(Answer.NOTICE, "error", "GitHub could not start the run; check its workflow file"),
    "action_required": Meaning(Answer.NOTHING, None, "the run waits for a maintainer's approval"),
    "skipped": Meaning(Answer.NOTHING, None, "no job of the run was started"),
    "stale": Meaning(Answer.NOTHING, None, "GitHub ended the run because it took too long"),
}
"""Every conclusion of a run in GitHub's webhook schema. A run without one has not ended."""


def meaning(conclusion: str) -> Meaning:
    """Return what `conclusion` stands for; one that is not known calls for nothing."""
    return CONCLUSIONS.get(conclusion, Meaning(Answer.NOTHING, None, f"the conclusion '{conclusion}' is not known"))


MAY_BE_NULL = {"HEAD_OWNER", "HEAD_BRANCH"}


@dataclass(frozen=True)
class Run:
    """The workflow run, as GitHub's own event describes it, which an external contributor cannot forge."""

    repository: str
    head_sha: str
    head_owner: str
    head_branch: str
    conclusion: str
    url: str
    number: str
    """Of the run, not of the pull request."""

    @classmethod
    def of_environment(cls) -> Run:
        """Read the variables that pull-request-comment.yaml sets. Raises UserError naming the one that is missing.

        GitHub gives null, which is empty here, for the owner and the branch of a fork that is gone.
        """
        names = ("GITHUB_REPOSITORY", "HEAD_SHA", "HEAD_OWNER", "HEAD_BRANCH", "CONCLUSION", "RUN_URL", "RUN_ID")
        for name in names:
            if not os.environ.get(name) and not (name in MAY_BE_NULL and name in os.environ):
                raise UserError(f"{name}: not set; pull-request-comment.yaml sets it from the event")
        return cls(*(os.environ[name] for name in names))
