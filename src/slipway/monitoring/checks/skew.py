"""The check `skew`: whether live columns look like those in training, independent of the season.

Each column is measured alone: missing, equal, unknown and round values, and the distance to the most similar period.
It is also compared with what the other columns predict for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.gates.monitoring_evidence import MESSAGE

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext

MESSAGES = {
    "missing": "{value:.1%} missing",
    "equal": "{value:.1%} of the values are equal",
    "unknown": "{value:.1%} of the values were not in training",
    "shape": "distance {value:.2f} to the most similar period",
    "relation": "{value:.1f} times the usual error of the prediction from the other columns",
    "lean": "biased by {value:+.1f} mean errors from the prediction from the other columns",
    "moved": "distance {value:.2f} to the previous windows",
}


def evidence(context: CheckContext) -> dict[str, Any]:
    """Return the statistics of every column of `Row` with their expected ranges, worst first."""
    if few := context.few(context.window.rows):
        return {"missing": few}
    statistics = {
        key: value
        for key, value in context.statistics.items()
        if key[1] in problem.Row.model_fields and key[0] != "moved"
    }
    return {
        "rows": len(context.window.rows),
        "findings": [with_message(finding) for finding in context.excesses(statistics)],
    }


def with_message(finding: dict[str, Any]) -> dict[str, Any]:
    """Return `finding` with a sentence that gives the value and its expected range."""
    observed = MESSAGES.get(finding["what"], "{value:.1%} are " + finding["what"]).format(value=finding["value"])
    spec = ".1%" if "%" in observed else ".2f"
    low, high = (format(finding[end], spec) for end in ("low", "high"))
    return finding | {MESSAGE: f"{finding['column']}: {observed}; in training {low} to {high}"}
