"""Description of a retraining's pull request: the trigger, its evidence, the new data and the gates' verdicts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway.report.document import Code, Details, Link, Strong, Table, paragraph
from slipway.report.markdown import INVISIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document
    from slipway.results import JobResult
    from slipway.retraining.retrain_evidence import RetrainEvidence

EVIDENCE_LENGTH_MAX = 2_000  # characters
TITLE_LENGTH_MAX = 120  # characters
EXPANDED_FILES_MAX = 10  # more are collapsed


def title(retraining: RetrainEvidence) -> str:
    """Return the title of the pull request, one line of plain text."""
    files = retraining.files
    data = files[0] if len(files) == 1 else f"{len(files)} new files"
    text = re.sub(r"\s+", " ", INVISIBLE.sub("", f"Retrain on {data} ({retraining.trigger})"))
    return text if len(text) <= TITLE_LENGTH_MAX else f"{text[: TITLE_LENGTH_MAX - 1]}…"


def write(retraining: RetrainEvidence, job_results: Mapping[str, JobResult], run: str | None) -> Document:
    """Return the description of the pull request.

    `retraining` is the evidence in results/retrain.json, `job_results` the results of its jobs by name, and `run` the
    URL of the workflow run.
    """
    return [*_trigger(retraining, run), *_data(retraining), *_gates(job_results), *_rules(retraining)]


def _trigger(retraining: RetrainEvidence, run: str | None) -> Iterator[Block]:
    yield paragraph("Trigger: ", Strong(retraining.trigger), ".")
    because = retraining.because[:EVIDENCE_LENGTH_MAX]
    if because:
        yield paragraph("Evidence: ", Code(because))
    if run:
        yield paragraph(Link("Workflow run with logs and artifacts", run))


def _data(retraining: RetrainEvidence) -> Iterator[Block]:
    files = retraining.files
    yield paragraph(f"New data: {len(files)} {'file' if len(files) == 1 else 'files'}, validated before use.")
    table = Table(("File",), [(Code(file),) for file in files])
    yield table if len(files) <= EXPANDED_FILES_MAX else Details("All new files", (table,))


def _gates(job_results: Mapping[str, JobResult]) -> Iterator[Block]:
    rows = [
        (Strong(verdict.gate), verdict.outcome.value, verdict.observed, verdict.threshold)
        for job in ("train", "compare")
        for verdict in (job_results[job].verdicts if job in job_results else [])
    ]
    if rows:
        yield paragraph("Gates of the retraining run. The checks of this pull request run them again:")
        yield Table(("Gate", "Outcome", "Observed", "Threshold"), rows)


def _rules(retraining: RetrainEvidence) -> Iterator[Block]:
    yield paragraph(
        "This pull request changes data and derived files only, on top of ",
        Code(retraining.base[:12]),
        ". The next trigger updates its branch, unless anyone else has pushed to it. Close it to reject the data.",
    )
