"""The command `comment`: one comment on the pull request, updated in place.

It runs when the run of either workflow ends, and reports on both: a job whose run has not ended counts as running.

It runs with write permission on evidence that a pull request produced, perhaps one of an external contributor. It
therefore accepts only JSON of a fixed schema and bounded size, one document of each run with its own jobs, renders that
itself, and looks up the number of the pull request through GitHub's API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import ValidationError

import problem
from slipway import output
from slipway.errors import RejectedError
from slipway.git.changes import Changes
from slipway.github import api, comments, workflows
from slipway.github.checked_run import CHECKS, Checks, CommentKind, Run, meaning
from slipway.pull_request import report
from slipway.report import content, history, judgment, markdown, submitted
from slipway.report.document import Code, Heading, Link, paragraph
from slipway.report.evidence import RUNNING, JobResults, ReportEvidence
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.report.document import Document

TITLE = "slipway"
ARTIFACT = "evidence"
EVIDENCE_BYTES_MAX = 2_000_000  # that of the sample has 100 kB
NOT_CHECKED = "⏹ Not checked"
WATERMARK_CHARACTERS_MAX = 1_000  # of the watermark and the link below the report
REPORT_CHARACTERS_MAX = markdown.LENGTH_MAX - WATERMARK_CHARACTERS_MAX - history.CHARACTERS_MAX


@dataclass(frozen=True)
class Verdict:
    """The verdict on a commit and the comment that states it."""

    title: str
    text: str


@dataclass(frozen=True)
class CheckedPart:
    """Result of one workflow on a pull request."""

    checks: Checks
    status: str
    """Status of its jobs that left no result: that of the run."""
    evidence: ReportEvidence | None = None
    url: str | None = None


def comment() -> None:
    """Comment on the open pull request whose newest commit the run checked, if there is one."""
    run = Run.of_environment()
    if run.checks is None:
        output.message("comment", f"nothing to report: {run.path} does not check pull requests")
        return
    verdict = verdict_for(run)
    if verdict is None:
        output.message("comment", f"nothing to report: {meaning(run.conclusion).reason}")
        return
    workflows.add_to_summary(verdict.text)
    number = pull_request(run)
    if number is None:
        output.message("comment", f"no open pull request has {run.head_sha} as its newest commit; nothing to do")
        return
    place = comments.Place(run.repository, f"pr/{number}", TITLE)
    text = f"{verdict.text}\n{past(run, verdict.title, comments.body(place))}"
    output.message("comment", comments.post(place, run.head_sha, text))


def past(run: Run, title: str, body: str) -> str:
    """Return the history below the report: the verdicts that `body`, the previous comment, records, and this one."""
    verdicts = history.with_verdict(history.read(body), run.head_sha, title, run.number)
    runs = f"{workflows.server_url()}/{run.repository}/actions/runs"
    return f"{markdown.render(history.section(verdicts, runs))}\n{history.record(verdicts)}"


def verdict_for(run: Run) -> Verdict | None:
    """Return the comment for a run's conclusion; None for a run without one. Raises UserError for invalid evidence."""
    kind = meaning(run.conclusion).comment
    if kind is CommentKind.NOTHING:
        return None
    if kind is CommentKind.NOTICE:
        return notice(run)
    parts = [_own(run, checks) if checks == run.checks else _other(run, checks) for checks in CHECKS]
    evidence = combined(parts) or no_evidence(run, parts)
    text = render(evidence, {part.checks: part.url for part in parts if part.url})
    return Verdict(judgment.title(evidence), text)


def notice(run: Run) -> Verdict:
    """Return the comment on a run that did not complete, so that the commit has no verdict."""
    document: Document = [
        Heading(NOT_CHECKED, 1),
        paragraph(Code(run.head_sha), f": {meaning(run.conclusion).reason}. Push again, or re-run the checks."),
        paragraph(Link("Workflow run", run.url)),
    ]
    return Verdict(NOT_CHECKED, markdown.render(document, REPORT_CHARACTERS_MAX))


def _own(run: Run, checks: Checks) -> CheckedPart:
    """Return the part of the run that has ended."""
    return CheckedPart(checks, "no result", _evidence(run, run.number), run.url)


def _other(run: Run, checks: Checks) -> CheckedPart:
    """Return the part of another workflow that checks the same commit of the same branch."""
    path = f"repos/{run.repository}/actions/workflows/{checks.file}/runs"
    listed = api.call("GET", f"{path}?event={run.event}&head_sha={run.head_sha}&per_page=100")["workflow_runs"]
    same = (other for other in listed if other["head_branch"] == run.head_branch and _owner(other) == run.head_owner)
    newest = max(same, key=lambda other: other["run_number"], default=None)
    if newest is None or newest["status"] != "completed":
        return CheckedPart(checks, RUNNING)
    conclusion = str(newest["conclusion"])
    if meaning(conclusion).comment is not CommentKind.REPORT:
        return CheckedPart(checks, conclusion, url=newest["html_url"])
    return CheckedPart(checks, "no result", _evidence(run, str(newest["id"])), newest["html_url"])


def _owner(run: dict[str, Any]) -> str:
    """Return the owner of a run's head repository; empty for a deleted fork, as in an empty variable."""
    repository = run["head_repository"] or {}
    return str((repository.get("owner") or {}).get("login", ""))


def _evidence(run: Run, number: str) -> ReportEvidence | None:
    """Return the evidence of the run `number` of the same commit; None if it left none. Raises UserError."""
    document = api.read_artifact(number, run.repository, ARTIFACT, report.EVIDENCE, EVIDENCE_BYTES_MAX)
    return None if document is None else parse(document, run)


def combined(parts: Sequence[CheckedPart]) -> ReportEvidence | None:
    """Return the evidence of all parts, each with the results of its own jobs only; None if no part has any."""
    submissions = [(part.checks.jobs, part.evidence) for part in parts if part.evidence]
    if not submissions:
        return None
    results = {job: evidence.results.of(job) for jobs, evidence in submissions for job in jobs}
    outdated = {
        job: evidence.outdated[job] for jobs, evidence in submissions for job in jobs if job in evidence.outdated
    }
    merged = {"results": JobResults(**results), "statuses": _statuses(parts), "outdated": outdated}
    return submissions[0][1].model_copy(update=merged)


def _statuses(parts: Sequence[CheckedPart]) -> dict[str, str]:
    """Return the status of every job: the one in its part's evidence, or else that of its run."""
    return {job: _status(job, part) for part in parts for job in part.checks.jobs}


def _status(job: str, part: CheckedPart) -> str:
    claimed = part.evidence.statuses.get(job) if part.evidence else None
    return part.status if claimed in {None, RUNNING} else claimed  # only GitHub knows whether a run has ended


def no_evidence(run: Run, parts: Sequence[CheckedPart]) -> ReportEvidence:
    """Return the evidence of runs that wrote none, for a report that names all jobs as missing."""
    return ReportEvidence(
        results=JobResults(),
        changes=Changes(base=None, head=run.head_sha),
        task=problem.TASK,
        primary=read_settings().gates.primary,
        card=report.card(),
        statuses=_statuses(parts),
    )


def parse(document: bytes, run: Run) -> ReportEvidence:
    """Return the evidence in `document`, with the commit that GitHub reports. Raises UserError if it is invalid."""
    try:
        evidence = submitted.accept(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Untrusted keys are not repeated, since this line goes to the log of a privileged job.
        raise RejectedError(f"{report.EVIDENCE}: {first['type']}, not the evidence of a report; rejected") from None
    changes = evidence.changes.model_copy(update={"head": run.head_sha})
    return evidence.model_copy(update={"changes": changes})


def render(evidence: ReportEvidence, runs: Mapping[Checks, str]) -> str:
    """Return the report as Markdown, with links to the URL of each run. Raises UserError if it cannot be written."""
    logs = {job: url for checks, url in runs.items() for job in checks.jobs}
    try:
        links = [paragraph(Link(f"Logs and artifacts of {checks.file}", url)) for checks, url in runs.items()]
        return markdown.render([*content.write(evidence, logs), *links], REPORT_CHARACTERS_MAX)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise RejectedError(f"{report.EVIDENCE}: no report can be written from it ({kind}); rejected") from None


def pull_request(run: Run) -> int | None:
    """Return the number of the open pull request whose head is the checked commit; None if there is none."""
    if not (run.head_owner and run.head_branch):  # the fork was deleted
        return None
    head = quote(f"{run.head_owner}:{run.head_branch}", safe="")
    pulls = api.call("GET", f"repos/{run.repository}/pulls?state=open&head={head}")
    return next((pull["number"] for pull in pulls if pull["head"]["sha"] == run.head_sha), None)
