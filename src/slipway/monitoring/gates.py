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
    from collections.abc import Iterable, Mapping, Sequence

THRESHOLDS = {
    "validity": "every row keeps the contract",
    "traffic": "as much as before, no row again",
    "model": "answers are those of the release",
    "labels": "arrive in time, and fit",
    "skew": "each column as in training",
    "drift": "moves no further than in training",
    "predictions": "spread as in training",
    "attribution": "the same columns matter",
    "health": "no failures, as quick as load tested",
}
"""Questions that are judged by their findings: one whose score is over 1 is beyond what is accepted."""
AT_ONCE = frozenset({"validity", "model", "staleness"})
"""Questions that chance has no part in: one window is enough to raise an alarm, and one to clear it."""
TRIGGERS = {
    "performance": "decay",
    "segments": "decay",
    "drift": "drift",
    "predictions": "drift",
    "attribution": "drift",
    "staleness": "staleness",
}
"""Questions whose alarm asks for a new model, and the word for why; the most telling first."""
BROKEN = frozenset({"validity", "traffic", "model", "labels", "skew"})
"""Questions whose alarm says that something is broken: a new model would learn it, and not mend it."""
NAMED = 3  # findings that a verdict tells
NUMBERS = ("value", "low", "high", "promised")  # all of which must be there to judge performance


def judge(question: str, evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    """The verdict of one window on one question; `limits` is the section `monitoring` of params.yaml."""
    if evidence.get("missing"):
        return Verdict(question, Outcome.INCONCLUSIVE, THRESHOLDS.get(question, ""), "not asked", evidence["missing"])
    own = {"performance": _performance, "segments": _segments, "staleness": _staleness}
    return own[question](evidence, limits) if question in own else _by_findings(question, evidence)


def with_alarm(verdict: Verdict, raised: bool) -> Verdict:
    """Turn what one window says into what is reported, given whether the alarm of the question is raised."""
    if raised and verdict.outcome is not Outcome.FAIL:
        return replace(verdict, outcome=Outcome.FAIL, reason="was worse, and is not yet well for long enough")
    if not raised and verdict.outcome is Outcome.FAIL:
        reason = f"seen once, an alarm if the next window says so too: {verdict.reason or verdict.observed}"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    return verdict


def retrain(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Whether a new model is asked for, and by what. Not while what comes in is broken: it would be learned."""
    failed = {verdict.gate: verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL}
    asking = [failed[gate] for gate in TRIGGERS if gate in failed]
    if not asking:
        return {"wanted": False, "trigger": None, "because": "nothing asks for a new model"}
    broken = [verdict for gate, verdict in failed.items() if gate in BROKEN]
    because = "; ".join(f"{verdict.gate}: {verdict.reason or verdict.observed}" for verdict in broken or asking)
    if broken:
        return {"wanted": False, "trigger": None, "because": f"mend what comes in first: {because}"}
    return {"wanted": True, "trigger": TRIGGERS[asking[0].gate], "because": because}


def _by_findings(question: str, evidence: Mapping[str, Any]) -> Verdict:
    findings = evidence["findings"]
    beyond = [one for one in findings if not one["score"] <= 1]
    verdict = Verdict(question, Outcome.PASS, THRESHOLDS[question], _worst(findings, evidence))
    if not beyond and evidence.get("unproven"):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=evidence["unproven"])
    if not beyond:
        return verdict
    said = "; ".join(dict.fromkeys(one["said"] for one in beyond[:NAMED]))
    more = f"; and {len(beyond) - NAMED} more" if len(beyond) > NAMED else ""
    observed = f"{len(beyond)} of {len(findings)} beyond" if len(findings) > 1 else "beyond"
    return replace(verdict, outcome=Outcome.FAIL, observed=observed, reason=said + more)


def _worst(findings: Sequence[Mapping[str, Any]], evidence: Mapping[str, Any]) -> str:
    return findings[0]["said"] if findings else f"{evidence['rows']:,} rows"


def _performance(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    found = {"metric": evidence["metric"], "promised": evidence["promised"], **evidence["all"]}
    metric, promised = found["metric"], found["promised"]
    margin = limits["decay_margin" if metric == evidence["metric"] else "loss_margin"]
    threshold = f"{metric} not worse than promised by {margin:g}"
    if promised is None or not _is_finite(found[key] for key in NUMBERS):
        reason = f"{metric} is not a number, or the release promises none"
        return Verdict("performance", Outcome.FAIL, threshold, "undefined", reason)
    observed = _interval(metric, found, promised)
    if not _loss(metric, promised, found, "least") <= margin:
        return Verdict("performance", Outcome.FAIL, threshold, observed, f"{observed}: worse than promised")
    return Verdict("performance", Outcome.PASS, threshold, observed)


def _segments(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    """Segments divide the confidence among them, so that one bad sample of many raises no alarm.

    A segment that the test rows lack has no baseline and is not judged. One whose metric is undefined proves nothing.
    """
    primary = evidence["metric"]
    known = {n: {"metric": primary, **s} for n, s in evidence["segments"].items() if s["promised"] is not None}
    judged = {name: segment for name, segment in known.items() if _is_finite([segment[key] for key in NUMBERS])}
    loss = {name: _loss(segment["metric"], segment["promised"], segment, "least") for name, segment in judged.items()}
    keys = {name: "segment_margin" if judged[name]["metric"] == primary else "loss_margin" for name in judged}
    worse = sorted((name for name in loss if not loss[name] <= limits[keys[name]]), key=lambda name: -loss[name])
    undefined = [name for name in known if name not in judged]
    observed = f"{len(judged)} of {len(evidence['segments'])} segments judged, {len(worse)} worse"
    named = [f"{n}: {_interval(judged[n]['metric'], judged[n], judged[n]['promised'])}" for n in worse[:NAMED]]
    named = named or [f"{name}: {known[name]['metric']} is undefined" for name in undefined[:NAMED]]
    outcome = Outcome.FAIL if worse else Outcome.INCONCLUSIVE if undefined else Outcome.PASS
    threshold = f"no segment worse than promised by {limits['segment_margin']:g}"
    return Verdict("segments", outcome, threshold, observed, "; ".join(named))


def _loss(metric: str, promised: float, found: Mapping[str, float], which: str) -> float:
    """The least, or the most, that the interval says was lost against the promise; negative for a gain."""
    higher = next(one for many in metrics.METRICS.values() for one in many if one.name == metric).higher_is_better
    ends = [(promised - found[end]) * (1 if higher else -1) for end in ("low", "high")]
    return min(ends) if which == "least" else max(ends)


def _staleness(evidence: Mapping[str, Any], limits: Mapping[str, Any]) -> Verdict:
    threshold = f"data at most {limits['data_days']} days old, model {limits['model_days']}"
    ages = {name: (evidence[f"{name}_days"], limits[f"{name}_days"]) for name in ("data", "model")}
    known = {name: pair for name, pair in ages.items() if pair[0] is not None}
    observed = ", ".join(f"{name} {age:.1f} days" for name, (age, _) in known.items())
    old = [f"{name} is {age:.1f} days old" for name, (age, limit) in known.items() if not age <= limit]
    return Verdict("staleness", Outcome.FAIL if old else Outcome.PASS, threshold, observed, ", ".join(old))


def _interval(metric: str, found: Mapping[str, float], promised: float) -> str:
    return f"{metric} {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}], promised {promised:.4f}"


def _is_finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)
