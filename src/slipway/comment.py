"""The command `comment`: one comment on the pull request, updated in place.

It runs with the right to write, on what a pull request left behind, perhaps that of an external contributor. So it
takes nothing but JSON of a known shape and a bounded size, which it does not even unpack, renders that itself, and asks
GitHub, not the pull request, for its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

import problem
from slipway import github, posting, results, write_report
from slipway.changes import Changes
from slipway.checked_run import Answer, Run, meaning
from slipway.errors import UserError
from slipway.report import content, markdown, submitted
from slipway.report.document import Code, Heading, Link, paragraph
from slipway.settings import read_params

if TYPE_CHECKING:
    from slipway.report.document import Document

TITLE = "slipway"
ARTIFACT = "evidence"
LARGEST = 2_000_000  # bytes of evidence; a report of the sample leaves 100 kB
ROOM = 1_000  # characters that a comment keeps for its watermark and its link


def comment() -> None:
    """Comment on the pull request whose newest commit was checked; on none when it has moved on or was closed."""
    run = Run.of_environment()
    text = answer(run)
    if text is None:
        print(f"comment: nothing to report: {meaning(run.conclusion).why}")
        return
    results.add_to_summary(text)
    number = pull_request(run)
    if number is None:
        print(f"comment: no open pull request has {run.head_sha} as its newest commit; nothing to do")
        return
    place = posting.Place(run.repository, f"pr/{number}", TITLE)
    print(f"comment: {posting.post(place, run.head_sha, text)}")


def answer(run: Run) -> str | None:
    """Return the comment that the run's conclusion calls for; None where it calls for none. Raises UserError."""
    known = meaning(run.conclusion)
    if known.answer is Answer.NOTHING:
        return None
    if known.answer is Answer.NOTICE:
        return notice(run)
    left = github.left_by(run.number, run.repository, ARTIFACT, write_report.EVIDENCE, LARGEST)
    return render(nothing(run) if left is None else parse(left, run), run)


def notice(run: Run) -> str:
    """Return the comment on a run that did not end by itself, so that nothing was found out about the commit."""
    document: Document = [
        Heading("⏹ Not checked", 1),
        paragraph(Code(run.head_sha), f": {meaning(run.conclusion).why}. Push again, or run the checks again."),
        paragraph(Link("The run", run.url)),
    ]
    return markdown.render(document, markdown.LENGTH_MAX - ROOM)


def nothing(run: Run) -> content.ReportEvidence:
    """The evidence of a run that left none, so that the report says so."""
    primary, changes = read_params()["gates"]["primary"], Changes(base=None, head=run.head_sha)
    card = write_report.card()
    return content.ReportEvidence(
        results={}, changes=changes, task=problem.TASK, primary=primary, card=card, statuses={}
    )


def parse(left: bytes, run: Run) -> content.ReportEvidence:
    """The evidence, as of the commit that GitHub says was checked. Raises UserError when it is of another shape."""
    try:
        evidence = submitted.accept(left)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # What an external contributor named a key is not repeated: this line goes to the log of a job with rights.
        raise UserError(f"{write_report.EVIDENCE}: {first['type']}, not the evidence of a report; rejected") from None
    changes = evidence.changes.model_copy(update={"head": run.head_sha})
    return evidence.model_copy(update={"changes": changes})


def render(evidence: content.ReportEvidence, run: Run) -> str:
    """The report in Markdown. Raises UserError when none can be written from the evidence."""
    try:
        document = [*content.write(evidence), paragraph(Link("The run, with its logs and artifacts", run.url))]
        return markdown.render(document, markdown.LENGTH_MAX - ROOM)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise UserError(f"{write_report.EVIDENCE}: no report can be written from it ({kind}); refused") from None


def pull_request(run: Run) -> int | None:
    """Return the number of the open pull request whose head is the commit that was checked; None without one."""
    if not (run.head_owner and run.head_branch):  # the fork is gone
        return None
    head = quote(f"{run.head_owner}:{run.head_branch}", safe="")
    found = github.call("GET", f"repos/{run.repository}/pulls?state=open&head={head}")
    return next((pull["number"] for pull in found if pull["head"]["sha"] == run.head_sha), None)
