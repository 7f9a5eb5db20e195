"""The canary gate: each check fails for a canary that is worse, and passes for one that is not."""

from __future__ import annotations

import dataclasses

import pytest

from slipway.gates.canary import BOUNDS, CanaryEvidence, Counts, Decision, judge, observe, windows_needed
from slipway.gates.verdict import Outcome
from slipway.settings import read_settings

LIMITS = read_settings().canary  # the numbers as they are shipped
STARTED = (0, 0)
LONG_ENOUGH = LIMITS.step_seconds
TOO_LONG = LIMITS.step_seconds + LIMITS.hold_seconds + 1


def _counts(requests: int, errors: int = 0, seconds: float = 0.002, low: float = 0.5) -> Counts:
    """Return counts with one latency, and the fraction `low` of the predictions in the lower of two bins."""
    right = requests - errors
    fast = tuple(right if bound >= seconds else 0 for bound in BOUNDS)
    return Counts(requests, errors, fast, right, {"0.5": round(right * low), "1": right})


def _evidence_of(canary: dict, baseline: dict, windows: int = 40, size: int = 25) -> CanaryEvidence:
    """Return the evidence after `windows` windows of `size` requests; `errors` is a fraction of the requests."""
    evidence = CanaryEvidence()
    for number in range(1, windows + 1):
        sides = [
            _counts(number * size, **{**side, "errors": round(number * size * side.get("errors", 0))})
            for side in (canary, baseline)
        ]
        evidence = observe(evidence, *sides, LIMITS)
    return evidence


def _outcomes(evidence: CanaryEvidence) -> dict[str, str]:
    verdicts = judge(evidence, STARTED, 1, LIMITS).verdicts
    return {verdict.gate.removeprefix("canary: "): str(verdict.outcome) for verdict in verdicts}


@pytest.mark.parametrize(
    ("canary", "baseline", "failed"),
    [
        ({}, {}, set()),
        ({"errors": 0.08}, {}, {"errors"}),
        ({"errors": 0.08}, {"errors": 0.08}, set()),
        ({}, {"errors": 0.08}, set()),
        ({"seconds": 0.004}, {}, {"latency"}),
        ({"seconds": 0.0021}, {}, set()),
        ({}, {"seconds": 0.004}, set()),
        ({"low": 0.95}, {}, {"predictions"}),
        ({}, {"low": 0.95}, {"predictions"}),
        ({"low": 0.6}, {}, set()),
        ({"errors": 1}, {}, {"errors"}),
    ],
)
def test_only_the_check_on_which_the_canary_is_worse_fails(canary, baseline, failed):
    outcomes = _outcomes(_evidence_of(canary, baseline))
    assert failed == {gate for gate, outcome in outcomes.items() if outcome == "fail"}


@pytest.mark.parametrize(
    ("evidence", "seconds", "decision"),
    [
        (_evidence_of({}, {}), LONG_ENOUGH, Decision.PROCEED),
        (_evidence_of({}, {}), LONG_ENOUGH - 1, Decision.HOLD),
        (_evidence_of({"errors": 0.08}, {}), 1, Decision.ROLL_BACK),
        (_evidence_of({}, {}, windows=2), LONG_ENOUGH, Decision.HOLD),
        (_evidence_of({}, {}, windows=2), TOO_LONG, Decision.ROLL_BACK),
        (CanaryEvidence(), LONG_ENOUGH, Decision.HOLD),
        (CanaryEvidence(), TOO_LONG, Decision.ROLL_BACK),
    ],
)
def test_the_decision_follows_from_evidence_and_time(evidence, seconds, decision):
    assert decision is judge(evidence, STARTED, seconds, LIMITS).decision


def test_responses_of_the_previous_step_do_not_count():
    evidence = _evidence_of({}, {})
    assert Decision.HOLD is judge(evidence, (evidence.canary.requests,) * 2, LONG_ENOUGH, LIMITS).decision


@pytest.mark.parametrize(
    ("canary", "reason"),
    [
        (None, "no metrics of the canary"),
        (dataclasses.replace(_counts(2000), errors=float("nan")), "metrics of the canary are not finite numbers"),
        (dataclasses.replace(_counts(2000), rows=float("inf")), "metrics of the canary are not finite numbers"),
        (dataclasses.replace(_counts(2000), below={"1": float("nan")}), "metrics of the canary are not finite numbers"),
        (dataclasses.replace(_counts(2000), below={}), "the canary exports no histogram of its predictions"),
        (_counts(10), "counters of the canary decreased"),
    ],
)
def test_a_missing_or_invalid_sample_holds(canary, reason):
    evidence = observe(_evidence_of({}, {}), canary, _counts(2000), LIMITS)
    judgment = judge(evidence, STARTED, LONG_ENOUGH, LIMITS)
    assert Decision.HOLD is judgment.decision
    assert [reason] == [verdict.reason for verdict in judgment.verdicts if verdict.outcome is Outcome.INCONCLUSIVE]


def test_a_baseline_without_metrics_holds():
    evidence = observe(_evidence_of({}, {}), _counts(2000), None, LIMITS)
    assert Decision.HOLD is judge(evidence, STARTED, LONG_ENOUGH, LIMITS).decision


def test_the_canary_proceeds_once_metrics_are_back():
    evidence = observe(observe(_evidence_of({}, {}), None, None, LIMITS), _counts(2000), _counts(2000), LIMITS)
    assert Decision.PROCEED is judge(evidence, STARTED, LONG_ENOUGH, LIMITS).decision


def test_a_canary_that_answers_no_request_fails_on_latency():
    evidence = CanaryEvidence()
    for number in range(1, 41):
        evidence = observe(evidence, _counts(0), _counts(25 * number), LIMITS)
    assert "fail" == _outcomes(evidence)["latency"]


def test_latency_before_the_first_success_is_no_evidence():
    evidence = observe(CanaryEvidence(), _counts(25, seconds=9.0), _counts(25), LIMITS)
    assert {0.0} == {*evidence.won["latency"].values()}


def test_different_bin_edges_are_inconclusive():
    evidence = CanaryEvidence()
    for number in range(1, 41):
        other = dataclasses.replace(_counts(25 * number), below={"7": 1})
        evidence = observe(evidence, _counts(25 * number), other, LIMITS)
    assert "inconclusive" == _outcomes(evidence)["predictions"]


def test_latency_is_inconclusive_until_a_slow_canary_could_have_failed():
    needed = windows_needed(LIMITS.false_alarms / 3)
    (latency,) = (
        verdict
        for verdict in judge(_evidence_of({}, {}, windows=needed - 1), STARTED, 1, LIMITS).verdicts
        if verdict.gate == "canary: latency"
    )
    assert "too few windows for a verdict" == latency.reason
    assert "inconclusive" == _outcomes(_evidence_of({}, {}, windows=needed - 1))["latency"]
    assert "fail" == _outcomes(_evidence_of({"seconds": 0.009}, {}, windows=needed))["latency"]
