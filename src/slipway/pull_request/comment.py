"""The command `comment`: one comment on the pull request, updated in place.

It runs with write permission on evidence that a pull request produced, perhaps one of an external contributor. It
therefore accepts only JSON of a fixed schema and bounded size, renders that itself, and looks up the number of the pull
request through GitHub's API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

import problem
from slipway.errors import UserError
from slipway.git.changes import Changes
from slipway.github import api, comments, workflows
from slipway.github.checked_run import CommentKind, Run, meaning
from slipway.pull_request import report
from slipway.report import content, markdown, submitted
from slipway.report.document import Code, Heading, Link, paragraph
from slipway.settings import read_settings

if TYPE_CHECKING:
    from slipway.report.document import Document

TITLE = "slipway"
ARTIFACT = "evidence"
EVIDENCE_BYTES_MAX = 2_000_000  # that of the sample has 100 kB
WATERMARK_CHARACTERS_MAX = 1_000  # of the watermark and the link below the report
REPORT_CHARACTERS_MAX = markdown.LENGTH_MAX - WATERMARK_CHARACTERS_MAX


def comment() -> None:
    """Comment on the open pull request whose newest commit the run checked, if there is one."""
    run = Run.of_environment()
    text = text_for(run)
    if text is None:
        print(f"comment: nothing to report: {meaning(run.conclusion).reason}")
        return
    workflows.add_to_summary(text)
    number = pull_request(run)
    if number is None:
        print(f"comment: no open pull request has {run.head_sha} as its newest commit; nothing to do")
        return
    place = comments.Place(run.repository, f"pr/{number}", TITLE)
    print(f"comment: {comments.post(place, run.head_sha, text)}")


def text_for(run: Run) -> str | None:
    """Return the comment for the run's conclusion; None if it gets none. Raises UserError for invalid evidence."""
    kind = meaning(run.conclusion).comment
    if kind is CommentKind.NOTHING:
        return None
    if kind is CommentKind.NOTICE:
        return notice(run)
    document = api.read_artifact(run.number, run.repository, ARTIFACT, report.EVIDENCE, EVIDENCE_BYTES_MAX)
    return render(no_evidence(run) if document is None else parse(document, run), run)


def notice(run: Run) -> str:
    """Return the comment on a run that did not complete, so that the commit has no verdict."""
    document: Document = [
        Heading("⏹ Not checked", 1),
        paragraph(Code(run.head_sha), f": {meaning(run.conclusion).reason}. Push again, or re-run the checks."),
        paragraph(Link("Workflow run", run.url)),
    ]
    return markdown.render(document, REPORT_CHARACTERS_MAX)


def no_evidence(run: Run) -> content.ReportEvidence:
    """Return the evidence of a run that wrote none, for a report that names all jobs as missing."""
    return content.ReportEvidence(
        results={},
        changes=Changes(base=None, head=run.head_sha),
        task=problem.TASK,
        primary=read_settings().gates.primary,
        card=report.card(),
        statuses={},
    )


def parse(document: bytes, run: Run) -> content.ReportEvidence:
    """Return the evidence in `document`, with the commit that GitHub reports. Raises UserError if it is invalid."""
    try:
        evidence = submitted.accept(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Untrusted keys are not repeated, since this line goes to the log of a privileged job.
        raise UserError(f"{report.EVIDENCE}: {first['type']}, not the evidence of a report; rejected") from None
    changes = evidence.changes.model_copy(update={"head": run.head_sha})
    return evidence.model_copy(update={"changes": changes})


def render(evidence: content.ReportEvidence, run: Run) -> str:
    """Return the report as Markdown. Raises UserError if it cannot be written from the evidence."""
    try:
        document = [*content.write(evidence), paragraph(Link("Workflow run with logs and artifacts", run.url))]
        return markdown.render(document, REPORT_CHARACTERS_MAX)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise UserError(f"{report.EVIDENCE}: no report can be written from it ({kind}); rejected") from None


def pull_request(run: Run) -> int | None:
    """Return the number of the open pull request whose head is the checked commit; None if there is none."""
    if not (run.head_owner and run.head_branch):  # the fork was deleted
        return None
    head = quote(f"{run.head_owner}:{run.head_branch}", safe="")
    pulls = api.call("GET", f"repos/{run.repository}/pulls?state=open&head={head}")
    return next((pull["number"] for pull in pulls if pull["head"]["sha"] == run.head_sha), None)
