"""The verb `report`: gather what the jobs left, and write the report as Markdown and HTML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import problem
from slipway import changes, results
from slipway.files import write_text
from slipway.report import content, html, markdown, submitted
from slipway.settings import read_params

if TYPE_CHECKING:
    from slipway.gates import Outcome

FOLDER = results.RESULTS / "report"
EVIDENCE = "evidence.json"


def report(base: str, needs: str) -> Outcome:
    """Write report.md, report.html, evidence.json and verdict.json into results/report, and the job summary if any.

    base: what the pull request is compared with. needs: GitHub's `toJSON(needs)`, or empty.
    """
    evidence = gather(base, needs)
    document, title = content.write(evidence), content.title(evidence)
    text = markdown.render(document)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(FOLDER / "report.md", text)
    write_text(FOLDER / "report.html", html.render(document, title))
    write_text(FOLDER / EVIDENCE, submitted.submit(evidence))
    outcome = content.outcome(evidence)
    write_text(FOLDER / "verdict.json", json.dumps({"outcome": outcome, "title": title}) + "\n")
    results.add_to_summary(text)
    return outcome


def gather(base: str, needs: str) -> content.Evidence:
    """All evidence there is. What is missing is missing: the report says so."""
    return content.Evidence(
        results=results.read(),
        changes=changes.since(base),
        task=problem.TASK,
        primary=read_params()["gates"]["primary"],
        card=card(),
        statuses={job: need["result"] for job, need in json.loads(needs or "{}").items()},
    )


def card() -> content.Card:
    """What the problem says of itself: the first paragraphs of its package, and the fields of `Row`."""
    purpose = " ".join((problem.__doc__ or "").split())
    fields = problem.Row.model_json_schema()["properties"]
    columns = [
        content.Column(name=name, description=_said(field, "description"), unit=_said(field, "unit"))
        for name, field in fields.items()
    ]
    return content.Card(purpose=purpose, target=problem.TARGET, columns=columns)


def _said(field: dict[str, Any], what: str) -> str:
    """A field's description or unit, its own or that of its options, where it may be missing."""
    return next((str(one[what]) for one in (field, *field.get("anyOf", [])) if what in one), "")
