"""The verb `report`: gather what the jobs left, and write the report as Markdown and HTML."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import problem
from slipway import changes, results
from slipway.errors import UserError
from slipway.report import content, html, markdown
from slipway.settings import read_params

if TYPE_CHECKING:
    from slipway.gates import Outcome

FOLDER = results.RESULTS / "report"


def report(base: str, needs: str) -> Outcome:
    """Write results/report/report.md, report.html and verdict.json, and the job summary where there is one.

    base: what the pull request is compared with. needs: GitHub's `toJSON(needs)`, or empty.
    """
    evidence = gather(base, needs)
    document, title = content.write(evidence), content.title(evidence)
    text = markdown.render(document)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    (FOLDER / "report.html").write_text(html.render(document, title), encoding="utf-8")
    outcome = content.outcome(evidence)
    (FOLDER / "verdict.json").write_text(json.dumps({"outcome": outcome, "title": title}) + "\n", encoding="utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    return outcome


def gather(base: str, needs: str) -> content.Evidence:
    """All evidence there is. What is missing is missing: the report says so."""
    return content.Evidence(
        results=results.read(),
        changes=changes.since(base),
        task=problem.TASK,
        primary=read_params()["gates"]["primary"],
        statuses={job: need["result"] for job, need in json.loads(needs or "{}").items()},
    )


def verdict() -> dict[str, Any]:
    """The verdict of the last report. Raises UserError when there is none."""
    path = FOLDER / "verdict.json"
    if not path.exists():
        raise UserError(f"{path}: not found; run `slipway report`")
    return json.loads(path.read_text(encoding="utf-8"))
