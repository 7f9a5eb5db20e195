"""Keys and findings of the evidence in results/monitor.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE: Final = "message"
"""Key of the sentence that describes a finding."""
BASELINE: Final = "baseline"
"""Key of the value of a metric that the release reported when it was built."""
REQUESTED: Final = "requested"
"""Key of whether a retraining is requested."""


def finding(column: str, statistic: str, score: float, message: str) -> dict[str, Any]:
    """Return one finding of a check. A `score` above 1, or NaN, is over the limit."""
    return {"column": column, "what": statistic, "score": score, MESSAGE: message}


def worst_first(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `findings` sorted by descending score."""
    return sorted(findings, key=lambda finding: -finding["score"])
