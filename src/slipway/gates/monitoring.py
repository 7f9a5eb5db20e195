"""The gates on production: they turn the evidence of a check into its verdict.

A check that could not run is inconclusive. Where chance matters, only several failing windows in a row raise an alarm.
`slipway.monitoring.alarm_state` counts them, and `with_alarm` returns the resulting verdict.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from slipway.evaluation import metrics
from slipway.gates.monitoring_evidence import (
    FindingsEvidence,
    PerformanceEvidence,
    RetrainRequest,
    StalenessEvidence,
)
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.gates.monitoring_evidence import CheckEvidence, Estimate
    from slipway.settings.operation import MonitoringSection

THRESHOLDS = {
    "validity": "every row satisfies the contract",
    "traffic": "volume as before, no repeated rows",
    "model": "predictions match the release",
    "labels": "complete and consistent",
    "skew": "every column as in training",
    "drift": "no larger shift than in training",
    "predictions": "distributed as in training",
    "attribution": "feature importance as in training",
    "health": "no failures, latency as load tested",
}
"""Checks that are judged by their findings. A finding with a score above 1 is over the limit."""
IMMEDIATE = frozenset({"validity", "model", "staleness"})
"""Checks without randomness: a single window raises or clears their alarm."""
RETRAINING_TRIGGERS = {
    "performance": "decay",
    "segments": "decay",
    "drift": "drift",
    "predictions": "drift",
    "attribution": "drift",
    "staleness": "staleness",
}
"""Checks whose alarm requests a retraining, with their trigger, the most specific first."""
DATA_FAULT_CHECKS = frozenset({"validity", "traffic", "model", "labels", "skew"})
"""Checks whose alarm means that something is broken: a retrained model would learn the fault instead of fixing it."""
FINDINGS_MAX = 3  # findings that a verdict quotes


def judge(check: str, evidence: CheckEvidence, limits: MonitoringSection) -> Verdict:
    """Return the verdict of one check on one window; `limits` is the section `monitoring` of params.yaml."""
    if evidence.missing:
        return Verdict(check, Outcome.INCONCLUSIVE, THRESHOLDS.get(check, ""), "not checked", evidence.missing)
    match evidence:
        case FindingsEvidence():
            return _by_findings(check, evidence)
        case PerformanceEvidence():
            return _segments(evidence, limits) if check == "segments" else _performance(evidence, limits)
        case StalenessEvidence():
            return _staleness(evidence, limits)
    raise TypeError(f"{check}: evidence without measurements")


def with_alarm(verdict: Verdict, raised: bool) -> Verdict:
    """Return the verdict to report, given that of one window and whether the alarm of the check is raised."""
    if raised and verdict.outcome is not Outcome.FAIL:
        reason = "the alarm is still raised: not enough windows have passed since the failure"
        return replace(verdict, outcome=Outcome.FAIL, reason=reason)
    if not raised and verdict.outcome is Outcome.FAIL:
        reason = f"failed, but not in enough windows in a row for an alarm: {verdict.reason or verdict.observed}"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    return verdict


def retrain(verdicts: Sequence[Verdict]) -> RetrainRequest:
    """Return whether a retraining is requested, its trigger and the reason.

    None is requested while the incoming data is broken, because the model would learn the fault.
    """
    failed = {verdict.gate: verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL}
    requests = [failed[gate] for gate in RETRAINING_TRIGGERS if gate in failed]
    if not requests:
        return _request(None, "no check requests a retraining")
    faults = [verdict for gate, verdict in failed.items() if gate in DATA_FAULT_CHECKS]
    because = "; ".join(f"{verdict.gate}: {verdict.reason or verdict.observed}" for verdict in faults or requests)
    if faults:
        return _request(None, f"fix the incoming data first: {because}")
    return _request(RETRAINING_TRIGGERS[requests[0].gate], because)


def _request(trigger: str | None, because: str) -> RetrainRequest:
    return RetrainRequest(requested=trigger is not None, trigger=trigger, because=because)


def _by_findings(check: str, evidence: FindingsEvidence) -> Verdict:
    findings = evidence.findings
    excesses = [finding for finding in findings if not finding.score <= 1]
    worst = findings[0].message if findings else f"{evidence.rows:,} rows"
    verdict = Verdict(check, Outcome.PASS, THRESHOLDS[check], worst)
    if not excesses and evidence.unproven:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=evidence.unproven)
    if not excesses:
        return verdict
    messages = "; ".join(dict.fromkeys(finding.message for finding in excesses[:FINDINGS_MAX]))
    more = f"; and {len(excesses) - FINDINGS_MAX} more" if len(excesses) > FINDINGS_MAX else ""
    observed = f"{len(excesses)} of {len(findings)} over the limit" if len(findings) > 1 else "over the limit"
    return replace(verdict, outcome=Outcome.FAIL, observed=observed, reason=messages + more)


def _performance(evidence: PerformanceEvidence, limits: MonitoringSection) -> Verdict:
    estimate, metric = evidence.all, evidence.all.metric if evidence.all else evidence.metric
    margin = limits.decay_margin if metric == evidence.metric else limits.loss_margin
    threshold = f"{metric} at most {margin:g} worse than expected"
    if estimate is None or not _is_finite(estimate):
        reason = f"{metric} is undefined, or the release has no baseline for it"
        return Verdict("performance", Outcome.FAIL, threshold, "undefined", reason)
    observed = _interval(estimate)
    if not _loss_min(estimate) <= margin:
        return Verdict("performance", Outcome.FAIL, threshold, observed, f"{observed}: worse than expected")
    return Verdict("performance", Outcome.PASS, threshold, observed)


def _segments(evidence: PerformanceEvidence, limits: MonitoringSection) -> Verdict:
    """Segments divide the confidence among them, so that one bad sample of many raises no alarm.

    A segment that the test rows lack has no baseline and is not judged. One whose metric is undefined proves nothing.
    """
    comparable = {name: segment for name, segment in evidence.segments.items() if segment.baseline is not None}
    judged = {name: segment for name, segment in comparable.items() if _is_finite(segment)}
    loss = {name: _loss_min(segment) for name, segment in judged.items()}
    margins = {
        name: limits.segment_margin if segment.metric == evidence.metric else limits.loss_margin
        for name, segment in judged.items()
    }
    worse = sorted((name for name in loss if not loss[name] <= margins[name]), key=lambda name: -loss[name])
    undefined = [name for name in comparable if name not in judged]
    observed = f"{len(judged)} of {len(evidence.segments)} segments judged, {len(worse)} worse"
    reasons = [f"{name}: {_interval(judged[name])}" for name in worse[:FINDINGS_MAX]]
    reasons = reasons or [f"{name}: {comparable[name].metric} is undefined" for name in undefined[:FINDINGS_MAX]]
    outcome = Outcome.FAIL if worse else Outcome.INCONCLUSIVE if undefined else Outcome.PASS
    threshold = f"every segment at most {limits.segment_margin:g} worse than expected"
    return Verdict("segments", outcome, threshold, observed, "; ".join(reasons))


def _loss_min(estimate: Estimate) -> float:
    """Return the smallest loss against the baseline that the interval allows; negative for a gain."""
    baseline = math.nan if estimate.baseline is None else estimate.baseline
    definitions = (definition for of_task in metrics.METRICS.values() for definition in of_task)
    higher = next(definition for definition in definitions if definition.name == estimate.metric).higher_is_better
    return min((baseline - end) * (1 if higher else -1) for end in (estimate.low, estimate.high))


def _staleness(evidence: StalenessEvidence, limits: MonitoringSection) -> Verdict:
    threshold = f"data at most {limits.data_days:g} days old, model {limits.model_days:g}"
    ages = {
        "data": (evidence.data_days, limits.data_days),
        "model": (evidence.model_days, limits.model_days),
    }
    measured = {name: (age, limit) for name, (age, limit) in ages.items() if age is not None}
    observed = ", ".join(f"{name} {age:.1f} days" for name, (age, _) in measured.items())
    old = [f"{name} is {age:.1f} days old" for name, (age, limit) in measured.items() if not age <= limit]
    return Verdict("staleness", Outcome.FAIL if old else Outcome.PASS, threshold, observed, ", ".join(old))


def _interval(estimate: Estimate) -> str:
    interval = f"[{estimate.low:.4f}, {estimate.high:.4f}]"
    return f"{estimate.metric} {estimate.value:.4f} {interval}, expected {estimate.baseline:.4f}"


def _is_finite(estimate: Estimate) -> bool:
    numbers = (estimate.value, estimate.low, estimate.high, estimate.baseline)
    return all(number is not None and math.isfinite(number) for number in numbers)
