"""The check `labels`: whether labels arrive, and match logged rows. Quality is unknown without them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import problem
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence, worst_first
from slipway.monitoring.log_columns import TIME

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the fraction of due rows that have a label, and the counts of the join."""
    joined, limits = context.window.joined, context.limits
    if context.window.labels is None:
        return FindingsEvidence(missing="the problem defines no function `labels`, so outcomes stay unknown")
    due = joined.rows[TIME] < context.window.end - timedelta(days=limits.label_days)
    counts = {
        "due": int(due.sum()),
        "labeled": joined.labeled,
        "unmatched": joined.unmatched,
        "duplicates": joined.duplicates,
        "conflicting": joined.conflicting,
    }
    if not counts["due"]:
        missing = f"no row is {limits.label_days:g} days old yet"
        return FindingsEvidence.model_validate(counts | {"missing": missing})
    fraction = float(joined.rows.loc[due, problem.TARGET].notna().mean())
    unmatched = f"; {joined.unmatched:,} labels match no row" if joined.unmatched else ""
    late = Finding(
        column=problem.TARGET,
        what="late",
        score=(1 - fraction) / (1 - limits.label_ratio),
        message=f"{fraction:.1%} of {counts['due']:,} rows have a label{unmatched}",
    )
    conflicting = Finding(
        column=problem.TARGET,
        what="conflicting",
        score=joined.conflicting / max(1, joined.labeled) / limits.conflicting_ratio,
        message=f"{joined.conflicting:,} labels contradict an earlier one",
    )
    findings = worst_first([late, conflicting])
    return FindingsEvidence.model_validate(counts | {"share": fraction, "findings": findings})
