"""The health issue of an environment: what is not well, how it was found, and what was done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome
from slipway.report.document import Code, Link, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document
    from slipway.results import JobResult

CRASHED = "monitoring"
"""What is not well when the look itself failed."""


def troubles(result: JobResult) -> list[str]:
    """Questions whose verdict is a failure; the monitoring itself where it did not come to a verdict."""
    failed = [verdict.gate for verdict in result.verdicts if verdict.outcome is Outcome.FAIL]
    return failed or ([CRASHED] if result.error else [])


def title(environment: str, result: JobResult) -> str:
    """Title of the issue."""
    return f"{environment} is not healthy: {', '.join(troubles(result)) or 'not clear'}"


def write(environment: str, result: JobResult, action: str, run: str | None) -> Document:
    """The text of the issue. `action` is what was done about retraining, `run` the address of the workflow run."""
    return [*_about(environment, result), *_verdicts(result), *_next(action, run)]


def _about(environment: str, result: JobResult) -> Iterator[Block]:
    evidence: Mapping[str, Any] = result.evidence
    window = evidence.get("window") or {}
    parts = [Strong(environment), " runs ", Code(str(evidence.get("release", "an unknown release")))]
    if window:
        parts += [f"; looked at from {window['start']} to {window['end']}, {window.get('rows', 0):,} rows"]
    yield paragraph(*parts, ".")
    if result.error:
        yield paragraph("The look did not come to its end: ", Code(result.error))


def _verdicts(result: JobResult) -> Iterator[Block]:
    rows = [
        (Strong(one.gate), one.outcome.value, one.observed, one.threshold, one.reason or "") for one in result.verdicts
    ]
    if rows:
        yield Table(("Question", "Outcome", "Observed", "Threshold", "Reason"), rows)


def _next(action: str, run: str | None) -> Iterator[Block]:
    yield paragraph("Retraining: ", action)
    yield paragraph("An issue of this title is kept up to date, and closed once every check passes again.")
    if run:
        yield paragraph(Link("The run, with its page of plots among the artifacts", run))


def changed(before: list[str], now: list[str]) -> Document:
    """The comment that tells of a change: what is new, what is well again."""
    new, gone = [one for one in now if one not in before], [one for one in before if one not in now]
    parts = [f"Not well since now: {', '.join(new)}. "] if new else []
    parts += [f"Well again: {', '.join(gone)}."] if gone else []
    return [paragraph(*parts)]
