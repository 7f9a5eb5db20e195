"""Gates on what production sees: the evidence of each question in, its verdict out.

A question that could not be asked is inconclusive. Where chance decides, an alarm takes several windows in a row, which
`slipway.monitoring.memory` counts: `with_alarm` gives the verdict that follows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slipway import metrics
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AT_ONCE = frozenset({"staleness"})
"""Questions that chance has no part in: one window is enough to raise an alarm, and one to clear it."""
TRIGGERS = {"performance": "decay", "drift": "drift", "predictions": "drift", "staleness": "staleness"}
"""Questions whose alarm asks for a new model, and the word for why."""


def judge(question: str, evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    """The verdict of one window on one question; `limits` is the section `monitoring` of params.yaml."""
    if evidence.get("missing"):
        return Verdict(question, Outcome.INCONCLUSIVE, "asked", "not asked", evidence["missing"])
    return GATES[question](evidence, limits)


def with_alarm(verdict: Verdict, raised: bool) -> Verdict:
    """Turn what one window says into what is reported, given whether the alarm of the question is raised."""
    if raised and verdict.outcome is not Outcome.FAIL:
        return replace(verdict, outcome=Outcome.FAIL, reason="was worse, and is not yet well for long enough")
    if not raised and verdict.outcome is Outcome.FAIL:
        reason = f"once; an alarm if the next window says so too: {verdict.reason or verdict.observed}"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    return verdict


def retrain(verdicts: Sequence[Verdict], found: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Whether a new model is asked for, and by what. Not while what comes in is broken: it would be learned."""
    failed = {verdict.gate: verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL}
    asking = [verdict for gate, verdict in failed.items() if gate in TRIGGERS]
    if not asking:
        return {"wanted": False, "trigger": None, "because": "nothing asks for a new model"}
    broken = [verdict for gate, verdict in failed.items() if gate in BROKEN]
    because = "; ".join(f"{verdict.gate}: {verdict.reason or verdict.observed}" for verdict in broken or asking)
    if broken:
        return {"wanted": False, "trigger": None, "because": f"mend what comes in first: {because}"}
    return {"wanted": True, "trigger": TRIGGERS[asking[0].gate], "because": because}


BROKEN = frozenset({"validity", "traffic", "skew", "model"})
"""Questions whose alarm says that something is broken, and a new model would not mend it."""


def _performance(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    metric, promised, found = evidence["metric"], evidence["promised"], evidence["all"]
    margin = limits["decay_margin"]
    threshold = f"{metric} not worse than promised by {margin:g}"
    if promised is None or not all(math.isfinite(found[end]) for end in ("value", "low", "high")):
        return Verdict(
            "performance", Outcome.FAIL, threshold, "undefined", f"{metric} is not a number, or none promised"
        )
    observed = f"{metric} {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}], promised {promised:.4f}"
    worst, best = _loss(metric, promised, found)
    if best > margin:
        return Verdict("performance", Outcome.FAIL, threshold, observed, f"{metric} is worse than promised")
    outcome = Outcome.PASS if worst < math.inf else Outcome.FAIL
    return Verdict("performance", outcome, threshold, observed)


def _loss(metric: str, promised: float, found: Mapping[str, float]) -> tuple[float, float]:
    """The largest and the smallest loss against the promise that the interval holds."""
    higher = next(one for many in metrics.METRICS.values() for one in many if one.name == metric).higher_is_better
    ends = [(promised - found[end]) * (1 if higher else -1) for end in ("low", "high")]
    return max(ends), min(ends)


def _staleness(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    threshold = f"data at most {limits['data_days']} days old, model {limits['model_days']}"
    ages = {
        "data": (evidence["data_days"], limits["data_days"]),
        "model": (evidence["model_days"], limits["model_days"]),
    }
    known = {name: pair for name, pair in ages.items() if pair[0] is not None}
    observed = ", ".join(f"{name} {age:.1f} days" for name, (age, _) in known.items())
    old = [name for name, (age, limit) in known.items() if age > limit]
    outcome = Outcome.FAIL if old else Outcome.PASS
    return Verdict("staleness", outcome, threshold, observed, f"the {' and the '.join(old)} is too old" if old else "")


GATES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Verdict]] = {
    "performance": _performance,
    "staleness": _staleness,
}
