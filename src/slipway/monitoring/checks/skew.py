"""The check `skew`: whether live columns resemble those in training, independent of the season.

Each column is measured alone: missing, equal, unknown and round values, and the distance to the most similar period.
It is also compared with the prediction from the other columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext, Excess

MESSAGES = {
    "missing": "{value:.1%} missing",
    "equal": "{value:.1%} of the values are equal",
    "unknown": "{value:.1%} of the values were not in training",
    "shape": "distance {value:.2f} to the most similar period",
    "relation": "{value:.1f} times the usual error of the prediction from the other columns",
    "lean": "biased by {value:+.1f} mean errors from the prediction from the other columns",
    "moved": "distance {value:.2f} to the previous windows",
}


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the statistics of every column of `Row` with their expected ranges, worst first."""
    if few := context.few(context.window.rows):
        return FindingsEvidence(missing=few)
    statistics = {
        key: value
        for key, value in context.statistics.items()
        if key[1] in problem.Row.model_fields and key[0] != "moved"
    }
    findings = [with_message(statistic) for statistic in context.excesses(statistics)]
    return FindingsEvidence(rows=len(context.window.rows), findings=findings)


def with_message(excess: Excess) -> Finding:
    """Return the finding for a statistic, with a sentence that gives the value and its expected range."""
    observed = MESSAGES.get(excess.statistic, "{value:.1%} are " + excess.statistic).format(value=excess.value)
    spec = ".1%" if "%" in observed else ".2f"
    low, high = (format(end, spec) for end in (excess.expected.low, excess.expected.high))
    measured = {"value": excess.value, **vars(excess.expected)}
    message = f"{excess.column}: {observed}; in training {low} to {high}"
    return Finding.model_validate(
        {"column": excess.column, "what": excess.statistic, "score": excess.score, "message": message, **measured}
    )
