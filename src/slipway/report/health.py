"""Text of an environment's health issue: failed checks, their evidence, and the action taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates import Outcome
from slipway.report.document import Code, Link, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.gates.monitoring_evidence import MonitorEvidence
    from slipway.report.document import Block, Document, Inline
    from slipway.results import JobResult

CRASHED = "monitoring"
"""Listed as the failed check when the monitoring itself failed."""


def troubles(result: JobResult[MonitorEvidence]) -> list[str]:
    """Return the checks that failed, or the monitoring itself if it crashed without a failed check."""
    failed = [verdict.gate for verdict in result.verdicts if verdict.outcome is Outcome.FAIL]
    return failed or ([CRASHED] if result.error else [])


def title(environment: str, result: JobResult[MonitorEvidence]) -> str:
    """Return the title of the issue."""
    return f"{environment} is not healthy: {', '.join(troubles(result)) or 'inconclusive'}"


def write(environment: str, result: JobResult[MonitorEvidence], action: str, run: str | None) -> Document:
    """Return the body of the issue on `result`.

    `action` states what was done about retraining; `run` is the workflow run's URL.
    """
    return [*_about(environment, result), *_verdicts(result), *_next(action, run)]


def _about(environment: str, result: JobResult[MonitorEvidence]) -> Iterator[Block]:
    evidence = result.evidence
    parts: list[Inline] = [Strong(environment), " runs ", Code(evidence.release or "an unknown release")]
    if window := evidence.window:
        parts += [f"; monitored from {window.start} to {window.end}, {window.rows:,} rows"]
    yield paragraph(*parts, ".")
    if result.error:
        yield paragraph("Monitoring failed: ", Code(result.error))


def _verdicts(result: JobResult[MonitorEvidence]) -> Iterator[Block]:
    rows = [
        (Strong(verdict.gate), verdict.outcome.value, verdict.observed, verdict.threshold, verdict.reason)
        for verdict in result.verdicts
    ]
    if rows:
        yield Table(("Check", "Outcome", "Observed", "Threshold", "Reason"), rows)


def _next(action: str, run: str | None) -> Iterator[Block]:
    yield paragraph("Retraining: ", action)
    yield paragraph("Slipway updates this issue after every monitoring run, and closes it once every check passes.")
    if run:
        yield paragraph(Link("Workflow run, with the monitoring page among its artifacts", run))


def changed(before: list[str], now: list[str]) -> Document:
    """Return the comment on a change: checks that now fail, and checks that pass again."""
    failing, passing = [check for check in now if check not in before], [check for check in before if check not in now]
    parts = [f"Now failing: {', '.join(failing)}. "] if failing else []
    parts += [f"Passing again: {', '.join(passing)}."] if passing else []
    return [paragraph(*parts)]
