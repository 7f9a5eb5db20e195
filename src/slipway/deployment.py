"""The verbs `release report` and `release comment`: what became of a merge, for its commit and for the evidence.

deploy.yaml calls them last, whatever happened before, with what its jobs left in a folder for each: results-<job>/.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from slipway import posting, results
from slipway.delivery import evidence
from slipway.delivery.desired_state import DeployBranch
from slipway.errors import UserError
from slipway.files import write_text
from slipway.gates import Verdict
from slipway.git import Git
from slipway.github import FORBIDDEN, ApiError
from slipway.report import deployment as content
from slipway.report import html, markdown

if TYPE_CHECKING:
    from slipway.report.deployment import Deployment
    from slipway.results import JobResult

JOB = "deployment"
FOLDER = results.RESULTS / JOB
REPORT = FOLDER / "report.md"
WATERMARK = "slipway-deployment"
ROOM = 1_000  # characters that a comment keeps for its watermark


def report(folder: Path, needs: str) -> str:
    """Write results/deployment.json and results/deployment/report.md and .html, and the job summary if there is one.

    `folder` holds results-<job>/ of each job; `needs` is GitHub's `toJSON(needs)`. Returns the report's first line.
    """
    with results.recorded(JOB) as result:
        deployment = gather(folder, needs)
        title = content.title(deployment)
        result.evidence = {"release": deployment.release} if deployment.release else {}
        outcome = content.outcome(deployment)
        result.verdicts = [Verdict(JOB, outcome, "every job ends well, every gate passes", title)]
        document = content.write(deployment)
        text = markdown.render(document, markdown.LIMIT - ROOM)
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_text(REPORT, text)
        write_text(FOLDER / "report.html", html.render(document, title))
    results.add_to_summary(text)
    return title


def gather(folder: Path, needs: str) -> Deployment:
    """All that there is to tell. What cannot be had is said in the report, which must be written in any case."""
    git = Git(Path())
    commit = os.environ.get("GITHUB_SHA") or git.read_commit("HEAD").id
    production, released, notes = None, None, ()
    try:
        branch = DeployBranch(git)
        branch.fetch()
        released = branch.version_of(commit)
        desired = branch.read("production")
        production = desired.release if desired else None
    except UserError as error:
        notes = (f"What production should run cannot be told: {error}",)
    return content.Deployment(
        commit=commit,
        release=released,
        production=production,
        statuses={job: need["result"] for job, need in json.loads(needs or "{}").items()},
        results={stage: _left(folder / f"results-{stage}", stage) for stage in content.STAGES},
        run=evidence.run_url(),
        notes=notes,
    )


def _left(folder: Path, stage: str) -> dict[str, JobResult]:
    """Results of a job. What it had from the job before, about another environment, is not its own."""
    try:
        found = results.read(folder)
    except (ValidationError, ValueError) as error:
        raise UserError(f"{folder}: holds a result that cannot be read ({type(error).__name__})") from None
    return {job: result for job, result in found.items() if result.evidence.get("environment", stage) == stage}


def comment() -> str:
    """Comment on the commit that was deployed, in place of an older report. Returns its address, or why it has none.

    A repository or its organization may refuse comments on commits. The report is elsewhere, too, so that is a line in
    the job summary, and no failure of the deployment.
    """
    if not any(os.environ.get(name) for name in ("GH_TOKEN", "GH_ENTERPRISE_TOKEN")):
        return f"none, because GH_TOKEN is not set; the report is in {REPORT} and in the job summary"
    names = ("GITHUB_REPOSITORY", "GITHUB_SHA")
    for name in names:
        if not os.environ.get(name):
            raise UserError(f"{name}: not set; GitHub sets it in a workflow")
    repository, sha = (os.environ[name] for name in names)
    try:
        text = REPORT.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{REPORT}: not there; run `slipway release report` first") from None
    try:
        return posting.post(posting.Place(repository, f"commit/{sha}", WATERMARK), sha, text)
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        results.add_to_summary(f"\nNo comment on the commit: {error}\n")
        return f"none: {error}; the report is in {REPORT} and in the job summary"
