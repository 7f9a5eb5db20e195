"""Report of a monitoring run, as a document and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome, overall
from slipway.report.content import OUTCOME_LABELS
from slipway.report.document import Heading, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict
    from slipway.report.document import Document


def title(verdicts: Sequence[Verdict]) -> str:
    """Return the first line: the overall outcome and the checks behind it."""
    failed = [verdict.gate for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    inconclusive = [verdict.gate for verdict in verdicts if verdict.outcome is Outcome.INCONCLUSIVE]
    return {
        Outcome.PASS: f"✅ Healthy: all {len(verdicts)} checks pass",
        Outcome.FAIL: f"❌ Not healthy: {', '.join(failed)}",
        Outcome.INCONCLUSIVE: f"⚠️ Inconclusive: {', '.join(inconclusive)}",
    }[overall(verdicts)]


def write(environment: str, verdicts: Sequence[Verdict], evidence: Mapping[str, Any]) -> Document:
    """Return the complete report."""
    window, retrain = evidence["window"], evidence["retrain"]
    rows = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold, verdict.reason)
        for verdict in verdicts
    ]
    return [
        Heading(f"{environment}: {title(verdicts)}", 1),
        paragraph(
            f"{evidence['release']}, {window['rows']:,} rows from {window['start'][:16]} to {window['end'][:16]} UTC."
        ),
        Table(("Check", "Outcome", "Observed", "Threshold", "Reason"), rows),
        paragraph(Strong("Retraining"), f": {request(retrain)}."),
    ]


def text(verdicts: Sequence[Verdict], retrain: Mapping[str, Any]) -> str:
    """Return the report for a terminal, with the overall outcome in the last line."""
    lines = [
        f"{verdict.gate}: {verdict.outcome}: {verdict.observed} ({verdict.threshold}) {verdict.reason}".rstrip()
        for verdict in verdicts
    ]
    return "\n".join([*lines, f"retraining: {request(retrain)}", title(verdicts)])


def request(retrain: Mapping[str, Any]) -> str:
    """Return whether retraining is requested, by which trigger, and why."""
    trigger = retrain["trigger"]
    return f"requested by {trigger}: {retrain['because']}" if trigger else f"not requested: {retrain['because']}"
