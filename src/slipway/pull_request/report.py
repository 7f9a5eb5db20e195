"""The command `report`: collect the results of all jobs, and write the report as Markdown and HTML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import problem
from slipway import results
from slipway.files import write_text
from slipway.github import workflows
from slipway.pull_request import branch_changes
from slipway.report import content, html, judgment, markdown, submitted
from slipway.report.evidence import JOBS, Card, JobResults, Margins, ReportEvidence
from slipway.settings import read_settings

if TYPE_CHECKING:
    from slipway.gates import Outcome
    from slipway.settings.training import GatesSection

FOLDER = results.RESULTS / "report"
EVIDENCE = "evidence.json"


def report(base: str, needs: str) -> Outcome:
    """Write report.md, report.html, evidence.json and verdict.json to results/report, and the step summary if any.

    base: git reference that the pull request is compared with. needs: GitHub's `toJSON(needs)`, or empty.
    Returns the overall outcome.
    """
    evidence = gather(base, needs)
    run = workflows.run_url() if evidence.statuses else None
    logs = dict.fromkeys(judgment.expected(evidence), run) if run else {}
    document, title = content.write(evidence, logs), judgment.title(evidence)
    text = markdown.render(document)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(FOLDER / "report.md", text)
    write_text(FOLDER / "report.html", html.render(document, title))
    write_text(FOLDER / EVIDENCE, submitted.submit(evidence))
    outcome, tree = judgment.outcome(evidence), results.source()
    verdict = {"outcome": outcome, "title": title, "content": tree and tree.content}
    write_text(FOLDER / "verdict.json", json.dumps(verdict) + "\n")
    workflows.add_to_summary(text)
    return outcome


def gather(base: str, needs: str) -> ReportEvidence:
    """Collect the evidence of all jobs. The report names the jobs whose result is missing or of other files."""
    read = {job: result for job, result in results.read().items() if job in JOBS}
    tree = results.source()
    own = {job: result for job, result in read.items() if results.is_of(result.source, tree)}
    gates = read_settings().gates
    return ReportEvidence(
        results=JobResults.model_validate(own, from_attributes=True),
        outdated={job: _outdated(result) for job, result in read.items() if job not in own},
        changes=branch_changes.since(base),
        task=problem.TASK,
        primary=gates.primary,
        margins=margins(gates),
        card=card(),
        statuses=results.job_statuses(needs),
    )


def margins(gates: GatesSection) -> Margins:
    """Return what `gates` accept, and what is noise."""
    return Margins(
        all=gates.margin,
        segment=gates.segment_margin,
        segment_rows=gates.minimum_segment_rows,
        latency_noise=gates.latency_noise,
    )


def _outdated(result: results.JobResult[Any]) -> str:
    """Return why a result does not count for the work tree."""
    path = f"{results.RESULTS}/{result.job}.json"
    origin = f"is about {result.source}, whose files differ from these" if result.source else "names no commit"
    return f"{path} {origin}; run `slipway {result.job}`"


def card() -> Card:
    """Return the model card's text: the docstring of the package `problem`, and the fields of `Row`."""
    return Card.of(problem.__doc__ or "", problem.TARGET, problem.Row)
