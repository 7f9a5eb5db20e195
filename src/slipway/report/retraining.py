"""What the pull request of a retraining says: which trigger fired, on which evidence, and what came of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from slipway.report.document import Code, Details, Link, Strong, Table, paragraph
from slipway.report.markdown import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document
    from slipway.results import JobResult

LONGEST = 2_000  # characters of the evidence behind a trigger
LONGEST_TITLE = 120  # characters
NAMED = 10  # files that are listed without unfolding


def title(retraining: Mapping[str, Any]) -> str:
    """Title of the pull request, in one line of plain text."""
    files = retraining["files"]
    what = files[0] if len(files) == 1 else f"{len(files)} new files"
    text = re.sub(r"\s+", " ", UNSEEN.sub("", f"Retrain on {what} ({retraining['trigger']})"))
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def write(retraining: Mapping[str, Any], left: Mapping[str, JobResult], run: str | None) -> Document:
    """The description of the pull request.

    `retraining` is the evidence in results/retrain.json, `left` has the results of the jobs that it ran, and `run` is
    the address of the workflow run.
    """
    return [*_trigger(retraining, run), *_data(retraining), *_gates(left), *_rules(retraining)]


def _trigger(retraining: Mapping[str, Any], run: str | None) -> Iterator[Block]:
    yield paragraph("Trigger: ", Strong(retraining["trigger"]), ".")
    because = retraining["because"][:LONGEST]
    if because:
        yield paragraph("Evidence: ", Code(because))
    if run:
        yield paragraph(Link("The run that retrained, with its logs and artifacts", run))


def _data(retraining: Mapping[str, Any]) -> Iterator[Block]:
    files = retraining["files"]
    yield paragraph(
        f"New data: {len(files)} {'file' if len(files) == 1 else 'files'}, checked before any of it was used."
    )
    table = Table(("File",), [(Code(file),) for file in files])
    yield table if len(files) <= NAMED else Details("All new files", (table,))


def _gates(left: Mapping[str, JobResult]) -> Iterator[Block]:
    rows = [
        (Strong(verdict.gate), verdict.outcome.value, verdict.observed, verdict.threshold)
        for job in ("train", "compare")
        for verdict in (left[job].verdicts if job in left else [])
    ]
    if rows:
        yield paragraph("How the gates judged the new model there. The checks of this pull request judge it again:")
        yield Table(("Gate", "Outcome", "Observed", "Threshold"), rows)


def _rules(retraining: Mapping[str, Any]) -> Iterator[Block]:
    yield paragraph(
        "It changes data and what comes of it, on ",
        Code(retraining["base"][:12]),
        ". The next trigger updates it; once"
        " somebody else has pushed to its branch, it is theirs, and is left alone. Close it to refuse.",
    )
