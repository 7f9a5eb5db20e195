"""Do labels arrive, and do they belong to something? Without them nobody knows whether the model is right."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import problem

if TYPE_CHECKING:
    from slipway.monitoring.look import Look


def evidence(look: Look) -> dict[str, Any]:
    """Share of the rows old enough that have a label, and what did not fit."""
    joined, limits = look.window.joined, look.limits
    if look.window.labels is None:
        return {"missing": "the problem has no function `labels`, so that nobody learns what became of a row"}
    due = joined.rows["time"] < look.window.end - timedelta(days=limits["label_days"])
    counts = {
        "due": int(due.sum()),
        "labelled": joined.labelled,
        "unmatched": joined.unmatched,
        "duplicates": joined.duplicates,
        "conflicting": joined.conflicting,
    }
    if not counts["due"]:
        return counts | {"missing": f"no row is {limits['label_days']} days old yet"}
    share = float(joined.rows.loc[due, problem.TARGET].notna().mean())
    loose = f"; {joined.unmatched:,} labels belong to no row" if joined.unmatched else ""
    late = _finding(
        "late", (1 - share) / (1 - limits["label_ratio"]), f"{share:.1%} of {counts['due']:,} rows have a label{loose}"
    )
    conflicts = joined.conflicting / max(1, joined.labelled)
    twice = _finding(
        "conflicting",
        conflicts / limits["conflicting_ratio"],
        f"{joined.conflicting:,} labels contradict an earlier one",
    )
    return counts | {"share": share, "findings": sorted([late, twice], key=lambda one: -one["score"])}


def _finding(what: str, score: float, said: str) -> dict[str, Any]:
    return {"column": problem.TARGET, "what": what, "score": score, "said": said}
