"""What there is to tell of a look at production, as a document and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome, overall
from slipway.report.content import WORDS
from slipway.report.document import Heading, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.gates import Verdict
    from slipway.report.document import Document


def title(verdicts: Sequence[Verdict]) -> str:
    """The first line: the verdict, and what is not well."""
    failed = [verdict.gate for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    unclear = [verdict.gate for verdict in verdicts if verdict.outcome is Outcome.INCONCLUSIVE]
    return {
        Outcome.PASS: f"✅ Healthy: {len(verdicts)} questions, all well",
        Outcome.FAIL: f"❌ Not healthy: {', '.join(failed)}",
        Outcome.INCONCLUSIVE: f"⚠️ Not clear: {', '.join(unclear)}",
    }[overall(verdicts)]


def write(environment: str, verdicts: Sequence[Verdict], evidence: Mapping[str, Any]) -> Document:
    """The whole report."""
    window, retrain = evidence["window"], evidence["retrain"]
    cells = [(Strong(row.gate), WORDS[row.outcome], row.observed, row.threshold, row.reason) for row in verdicts]
    wanted = f"wanted, because of {retrain['trigger']}" if retrain["wanted"] else "not wanted"
    return [
        Heading(f"{environment}: {title(verdicts)}", 1),
        paragraph(
            f"{evidence['release']}, {window['rows']:,} rows from {window['start'][:16]} to {window['end'][:16]} UTC."
        ),
        Table(("Question", "Outcome", "Observed", "Threshold", "Reason"), cells),
        paragraph(Strong("A new model"), f" is {wanted}: {retrain['because']}."),
    ]


def text(verdicts: Sequence[Verdict], retrain: Mapping[str, Any]) -> str:
    """For a terminal."""
    lines = [f"{row.gate}: {row.outcome}: {row.observed} ({row.threshold}) {row.reason}".rstrip() for row in verdicts]
    return "\n".join(
        [*lines, f"new model: {retrain['trigger'] or 'not wanted'}: {retrain['because']}", title(verdicts)]
    )
