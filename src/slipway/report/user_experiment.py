"""Report of an experiment by user, as a document and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.gates import Outcome, overall
from slipway.report.document import Heading, Strong, Table, paragraph
from slipway.report.judgment import OUTCOME_LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.gates import Verdict
    from slipway.gates.user_experiment import ExperimentEvidence
    from slipway.report.document import Document


def title(evidence: ExperimentEvidence, verdicts: Sequence[Verdict]) -> str:
    """Return the decision in a line."""
    pair = f"{evidence.release} than {evidence.control}"
    doubted = [verdict.gate for verdict in verdicts if verdict.outcome is Outcome.INCONCLUSIVE]
    return {
        Outcome.PASS: f"✅ Better: {pair}",
        Outcome.FAIL: f"❌ Worse: {pair}",
        Outcome.INCONCLUSIVE: f"⚠️ Inconclusive: {', '.join(doubted)}",
    }[overall(verdicts)]


def write(evidence: ExperimentEvidence, verdicts: Sequence[Verdict]) -> Document:
    """Return the complete report."""
    rows = [
        (Strong(verdict.gate), OUTCOME_LABELS[verdict.outcome], verdict.observed, verdict.threshold, verdict.reason)
        for verdict in verdicts
    ]
    plan = evidence.plan
    return [
        Heading(f"{evidence.environment}, experiment {evidence.name}: {title(evidence, verdicts)}", 1),
        paragraph(
            f"{plan.users:,} users with an outcome on each side, fixed at the start: effect {plan.effect:g}, baseline"
            f" {plan.baseline:g}, alpha {plan.alpha:g}, power {plan.power:g}. {unidentified(evidence)}."
        ),
        Table(("Check", "Outcome", "Observed", "Threshold", "Reason"), rows),
        paragraph(Strong("Next"), f": {next_step(evidence, verdicts)}."),
    ]


def text(evidence: ExperimentEvidence, verdicts: Sequence[Verdict]) -> str:
    """Return the decision for a terminal, with the next step in the last line."""
    lines = [
        f"{verdict.gate}: {verdict.outcome}: {verdict.observed} ({verdict.threshold}) {verdict.reason}".rstrip()
        for verdict in verdicts
    ]
    return "\n".join([*lines, title(evidence, verdicts), f"next: {next_step(evidence, verdicts)}"])


def progress(evidence: ExperimentEvidence) -> str:
    """Return the counts of a running experiment in a line, without outcomes."""
    sides = evidence.treatment_side, evidence.control_side
    labeled = " and ".join(f"{side.labeled:,}" for side in sides)
    came = " and ".join(f"{side.users:,}" for side in sides)
    return (
        f"experiment {evidence.name}, {evidence.release} against {evidence.control}: {labeled} of"
        f" {evidence.plan.users:,} users have an outcome, {came} came; {unidentified(evidence)}"
    )


def unidentified(evidence: ExperimentEvidence) -> str:
    """Return the rows that no user is known of."""
    return f"{evidence.unidentified_rows:,} of {evidence.rows:,} rows name no user"


def next_step(evidence: ExperimentEvidence, verdicts: Sequence[Verdict]) -> str:
    """Return what to do after the decision."""
    environment, outcome = evidence.environment, overall(verdicts)
    if outcome is Outcome.PASS:
        return f"run `slipway promote --environment {environment} --release {evidence.release}`"
    if outcome is Outcome.FAIL:
        return f"every user has {evidence.control} again; nothing is to be done"
    return f"every user has {evidence.control} again; repair what a check names, or start a larger experiment"
