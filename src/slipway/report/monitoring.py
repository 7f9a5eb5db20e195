"""Report of a monitoring run, as a document and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates import Outcome, overall
from slipway.report.document import Heading, Strong, Table, paragraph
from slipway.report.judgment import OUTCOME_LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.gates import Verdict
    from slipway.gates.monitoring_evidence import MonitorEvidence, RetrainRequest, WindowFacts
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


def write(environment: str, verdicts: Sequence[Verdict], evidence: MonitorEvidence) -> Document:
    """Return the complete report."""
    rows = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold, verdict.reason)
        for verdict in verdicts
    ]
    return [
        Heading(f"{environment}: {title(verdicts)}", 1),
        paragraph(f"{evidence.release}, {period(evidence.window)} UTC." if evidence.window else f"{evidence.release}."),
        Table(("Check", "Outcome", "Observed", "Threshold", "Reason"), rows),
        *([paragraph(Strong("Retraining"), f": {request(evidence.retrain)}.")] if evidence.retrain else []),
    ]


def period(window: WindowFacts) -> str:
    """Return the rows of a window and its times, UTC."""
    return f"{window.rows:,} rows from {window.start[:16]} to {window.end[:16]}"


def text(verdicts: Sequence[Verdict], retrain: RetrainRequest) -> str:
    """Return the report for a terminal, with the overall outcome in the last line."""
    lines = [
        f"{verdict.gate}: {verdict.outcome}: {verdict.observed} ({verdict.threshold}) {verdict.reason}".rstrip()
        for verdict in verdicts
    ]
    return "\n".join([*lines, f"retraining: {request(retrain)}", title(verdicts)])


def request(retrain: RetrainRequest) -> str:
    """Return whether retraining is requested, by which trigger, and why."""
    state = f"requested by {retrain.trigger}" if retrain.trigger else "not requested"
    return f"{state}: {retrain.because}"
