"""Does every live row keep the contract of `Row`? The service refuses what does not, so this should never fail.

It fails when a log was written by another `Row`, and in a replay of rows that no service has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.checks import contract
from slipway.monitoring.rows import whole

if TYPE_CHECKING:
    from slipway.monitoring.look import Look

CHUNK = 50_000  # rows that are turned into requests at a time; 200 MB
EXAMPLES = 3  # rows quoted of each broken rule


def evidence(look: Look) -> dict[str, Any]:
    """Each broken rule with its column, worst first. The score is the share of rows over the share that is accepted."""
    rows = look.window.rows
    rows = rows.sample(min(len(rows), look.limits["validity_rows"]), random_state=look.params["seed"])
    names = [name for name in problem.Row.model_fields if name in rows]
    counts: dict[tuple[str, str], dict[str, Any]] = {}
    for start in range(0, len(rows), CHUNK):
        part = whole(rows[names].iloc[start : start + CHUNK], problem.Row).astype(object)
        for broken in contract.check(part, problem.Row, set(), EXAMPLES):
            known = counts.setdefault((broken["column"], broken["rule"]), broken | {"count": 0})
            known["count"] += broken["count"]
    findings = [_finding(one, len(rows), look) for one in counts.values() if one["column"] not in look.hidden]
    return {"rows": len(rows), "findings": sorted(findings, key=lambda one: -one["score"])}


def _finding(broken: dict[str, Any], rows: int, look: Look) -> dict[str, Any]:
    examples = ", ".join(str(one["value"]) for one in broken["examples"])
    said = f"{broken['column']}: {broken['rule']}, broken by {broken['count']:,} rows" + (
        f" ({examples})" if examples else ""
    )
    score = broken["count"] / max(1, rows) / look.limits["invalid_ratio"]
    return {"column": broken["column"], "what": broken["kind"], "score": score, "said": said}
