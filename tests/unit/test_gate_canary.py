"""The canary's gate: each question with a canary that is worse and one that is not."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from slipway.gates.canary import BOUNDS, Counts, Decision, Evidence, judge, look, windows_needed
from slipway.gates.verdict import Outcome

with open("params.yaml", encoding="utf-8") as _file:  # noqa: PTH123  the numbers as they are shipped
    LIMITS = yaml.safe_load(_file)["canary"]
STARTED = (0, 0)
LONG_ENOUGH = LIMITS["step_seconds"]
TOO_LONG = LIMITS["step_seconds"] + LIMITS["hold_seconds"] + 1


def _counts(requests: int, errors: int = 0, seconds: float = 0.002, low: float = 0.5) -> Counts:
    """All answers equally fast; the share `low` of the predictions lies in the lower of two bins."""
    right = requests - errors
    fast = tuple(right if bound >= seconds else 0 for bound in BOUNDS)
    return Counts(requests, errors, fast, right, {"0.5": round(right * low), "1": right})


def _seen(canary: dict, baseline: dict, windows: int = 40, size: int = 25) -> Evidence:
    """Evidence after so many windows; errors are a share of the requests."""
    evidence = Evidence()
    for number in range(1, windows + 1):
        sides = [
            _counts(number * size, **{**side, "errors": round(number * size * side.get("errors", 0))})
            for side in (canary, baseline)
        ]
        evidence = look(evidence, *sides, LIMITS)
    return evidence


def _outcomes(evidence: Evidence) -> dict[str, str]:
    return {one.gate.removeprefix("canary: "): str(one.outcome) for one in judge(evidence, STARTED, 1, LIMITS).verdicts}


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
def test_only_what_is_worse_fails(canary, baseline, failed):
    outcomes = _outcomes(_seen(canary, baseline))
    assert failed == {gate for gate, outcome in outcomes.items() if outcome == "fail"}


@pytest.mark.parametrize(
    ("evidence", "seconds", "decision"),
    [
        (_seen({}, {}), LONG_ENOUGH, Decision.GO_ON),
        (_seen({}, {}), LONG_ENOUGH - 1, Decision.HOLD),
        (_seen({"errors": 0.08}, {}), 1, Decision.ROLL_BACK),
        (_seen({}, {}, windows=2), LONG_ENOUGH, Decision.HOLD),
        (_seen({}, {}, windows=2), TOO_LONG, Decision.ROLL_BACK),
        (Evidence(), LONG_ENOUGH, Decision.HOLD),
        (Evidence(), TOO_LONG, Decision.ROLL_BACK),
    ],
)
def test_it_goes_on_holds_or_rolls_back(evidence, seconds, decision):
    assert decision is judge(evidence, STARTED, seconds, LIMITS).decision


def test_answers_of_the_step_before_do_not_count_for_this_one():
    evidence = _seen({}, {})
    assert Decision.HOLD is judge(evidence, (evidence.canary.requests,) * 2, LONG_ENOUGH, LIMITS).decision


@pytest.mark.parametrize(
    ("canary", "reason"),
    [
        (None, "no metrics of the canary"),
        (dataclasses.replace(_counts(2000), errors=float("nan")), "metrics of the canary are not numbers"),
        (dataclasses.replace(_counts(2000), rows=float("inf")), "metrics of the canary are not numbers"),
        (dataclasses.replace(_counts(2000), below={"1": float("nan")}), "metrics of the canary are not numbers"),
        (dataclasses.replace(_counts(2000), below={}), "the canary does not count its predictions"),
        (_counts(10), "metrics of the canary went back"),
    ],
)
def test_what_is_missing_or_no_number_holds(canary, reason):
    evidence = look(_seen({}, {}), canary, _counts(2000), LIMITS)
    judgement = judge(evidence, STARTED, LONG_ENOUGH, LIMITS)
    assert Decision.HOLD is judgement.decision
    assert [reason] == [one.reason for one in judgement.verdicts if one.outcome is Outcome.INCONCLUSIVE]


def test_a_baseline_without_metrics_holds():
    evidence = look(_seen({}, {}), _counts(2000), None, LIMITS)
    assert Decision.HOLD is judge(evidence, STARTED, LONG_ENOUGH, LIMITS).decision


def test_it_goes_on_when_the_metrics_are_back():
    evidence = look(look(_seen({}, {}), None, None, LIMITS), _counts(2000), _counts(2000), LIMITS)
    assert Decision.GO_ON is judge(evidence, STARTED, LONG_ENOUGH, LIMITS).decision


def test_a_canary_that_answers_nothing_at_all_is_rolled_back():
    evidence = Evidence()
    for number in range(1, 41):
        evidence = look(evidence, _counts(0), _counts(25 * number), LIMITS)
    assert "fail" == _outcomes(evidence)["latency"]


def test_bins_that_are_not_the_same_cannot_be_compared():
    evidence = Evidence()
    for number in range(1, 41):
        other = dataclasses.replace(_counts(25 * number), below={"7": 1})
        evidence = look(evidence, _counts(25 * number), other, LIMITS)
    assert "inconclusive" == _outcomes(evidence)["predictions"]


def test_no_canary_passes_before_a_slow_one_could_have_failed():
    needed = windows_needed(LIMITS["false_alarms"] / 3)
    assert "inconclusive" == _outcomes(_seen({}, {}, windows=needed - 1))["latency"]
    assert "fail" == _outcomes(_seen({"seconds": 0.009}, {}, windows=needed))["latency"]
