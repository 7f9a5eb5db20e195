"""`slipway release report` and `release comment`: the outcome of a deployment, for its commit and as evidence.

deploy.yaml runs both at its end, even after a failure; the results of each job are in a folder `results-<job>/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway import results, webhook
from slipway.environment.environment import Environment
from slipway.errors import MissingFileError, UserError
from slipway.files import write_text
from slipway.gates import Verdict
from slipway.git import Git
from slipway.github import comments, workflows
from slipway.github.api import FORBIDDEN, ApiError
from slipway.report import deployment as content
from slipway.report import html, markdown

if TYPE_CHECKING:
    from slipway.report.deployment import Deployment
    from slipway.results import JobResult

JOB = "deployment"
FOLDER = results.RESULTS / JOB
REPORT = FOLDER / "report.md"
WATERMARK = "slipway-deployment"
WATERMARK_CHARACTERS_MAX = 1_000  # reserved in a comment


def report(folder: Path, needs: str) -> str:
    """Write the deployment report and return its title.

    It writes results/deployment.json, results/deployment/report.md and report.html, and appends to the job summary.
    `folder` contains `results-<job>/` for each job; `needs` is GitHub's `toJSON(needs)`.
    """
    with results.recorded(JOB) as result:
        deployment = gather(folder, needs)
        title = content.title(deployment)
        result.evidence = results.Subject(release=deployment.release)
        outcome = content.outcome(deployment)
        result.verdicts = [Verdict(JOB, outcome, "every job ends well, every gate passes", title)]
        document = content.write(deployment)
        text = markdown.render(document, markdown.LENGTH_MAX - WATERMARK_CHARACTERS_MAX)
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_text(REPORT, text)
        write_text(FOLDER / "report.html", html.render(document, title))
    workflows.add_to_summary(text)
    webhook.notify(title, f"Commit {deployment.commit}", deployment.run)
    return title


def gather(folder: Path, needs: str) -> Deployment:
    """Collect the facts of a deployment. A fact that cannot be read becomes a note, since a report is always needed."""
    commit = workflows.commit() or Git(Path()).read_commit("HEAD").id
    production, released = None, None
    notes: tuple[str, ...] = ()
    try:
        environment = Environment("production")
        released = environment.branch.version_of(commit)
        desired = environment.desired()
        production = desired.release if desired else None
    except UserError as error:
        notes = (f"The desired state of production could not be read: {error}",)
    return content.Deployment(
        commit=commit,
        release=released,
        production=production,
        statuses=results.job_statuses(needs),
        results={stage: _results(folder / f"results-{stage}", stage) for stage in content.STAGES},
        run=workflows.run_url(),
        notes=notes,
    )


def _results(folder: Path, stage: str) -> dict[str, JobResult]:
    """Return the results of a stage, without those that it inherited from a stage of another environment."""
    return {job: result for job, result in results.read(folder).items() if result.environment in (None, stage)}


def comment() -> str:
    """Comment the report on the deployed commit and return the comment's URL, or the reason why there is none.

    The comment replaces an older report. A repository or organization may forbid comments on commits; that is a line
    in the job summary and does not fail the deployment, because the report is also in the artifacts.
    """
    if not workflows.has_token():
        return f"none, because GH_TOKEN is not set; the report is in {REPORT} and in the job summary"
    repository, sha = workflows.required("GITHUB_REPOSITORY"), workflows.required("GITHUB_SHA")
    try:
        text = REPORT.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingFileError(f"{REPORT}: not found; run `slipway release report` first") from None
    try:
        return comments.post(comments.Place(repository, f"commit/{sha}", WATERMARK), sha, text)
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        workflows.add_to_summary(f"\nThe report was not posted as a comment on the commit: {error}\n")
        return f"none: {error}; the report is in {REPORT} and in the job summary"
