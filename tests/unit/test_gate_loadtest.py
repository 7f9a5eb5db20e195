"""Gates of the load test: every limit met and exceeded, and the effect of an invalid run."""

from __future__ import annotations

import math
import random

import pytest

from slipway.gates import Outcome, overall
from slipway.gates.loadtest import LoadTestEvidence, compare, judge, ratio_of_medians
from slipway.settings import read_settings

SECTION = read_settings().loadtest
LIMITS = SECTION.model_copy(
    update={
        "minimum_requests": 1000,
        "failure_ratio": 0.0,
        "p50_milliseconds": 25,
        "p99_milliseconds": 250,
        "achieved_rate": 0.98,
        "generator_cpu": 0.9,
        "against": SECTION.against.model_copy(update={"confidence": 0.99, "resamples": 500, "margin": 0.05}),
    }
)
GOOD = {
    "requests": 3000,
    "failure_ratio": 0.0,
    "p50_milliseconds": 3.0,
    "p99_milliseconds": 20.0,
    "achieved_rate": 0.999,
    "generator_cpu": 0.2,
}
FAIL, INCONCLUSIVE, PASS = Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS
SEED = 7


def judged(evidence):
    return judge(LoadTestEvidence.model_validate(evidence), LIMITS)


def outcomes(evidence):
    return {verdict.gate.removeprefix("load test: "): verdict.outcome for verdict in judged(evidence)}


def broken(evidence):
    return {gate: outcome for gate, outcome in outcomes(evidence).items() if outcome is not PASS}


def test_a_good_run_passes_every_gate():
    assert {} == broken(GOOD)


def test_a_run_exactly_at_its_limits_passes():
    at_limits = {number: getattr(LIMITS, number) for number in GOOD if number != "requests"}
    assert {} == broken({**at_limits, "requests": LIMITS.minimum_requests})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"requests": 999}, {"answers": INCONCLUSIVE}),
        ({"failure_ratio": 1 / 3000}, {"failures": FAIL}),
        ({"p50_milliseconds": 25.01}, {"p50": FAIL}),
        ({"p99_milliseconds": 250.01}, {"p99": FAIL}),
        ({"p99_milliseconds": math.inf}, {"p99": FAIL}),
        ({"achieved_rate": 0.979}, {"achieved rate": INCONCLUSIVE}),
        ({"generator_cpu": 0.901}, {"generator CPU": INCONCLUSIVE}),
    ],
)
def test_an_exceeded_limit_fails_its_gate_and_no_other(change, expected):
    assert expected == broken({**GOOD, **change})


@pytest.mark.parametrize("number", GOOD)
@pytest.mark.parametrize("missing", [None, math.nan])
def test_evidence_without_a_value_fails(number, missing):
    assert [FAIL] == list(broken({**GOOD, number: missing}).values())


def test_missing_evidence_fails_every_gate():
    assert {FAIL} == set(outcomes({}).values())


def test_zero_requests_never_pass():
    unmeasured = dict.fromkeys(GOOD) | {"requests": 0, "generator_cpu": 0.0}
    assert FAIL is overall(judged(unmeasured))


@pytest.mark.parametrize("change", [{"requests": 999}, {"achieved_rate": 0.5}, {"generator_cpu": 1.0}])
def test_an_invalid_run_is_inconclusive_with_a_reason(change):
    verdicts = judged({**GOOD, **change})
    assert INCONCLUSIVE is overall(verdicts)
    assert ["invalid"] == [verdict.reason.split(":")[0] for verdict in verdicts if verdict.reason]


def test_a_saturated_generator_does_not_blame_the_service_for_its_latency():
    expected = {"p50": INCONCLUSIVE, "p99": INCONCLUSIVE, "generator CPU": INCONCLUSIVE}
    assert expected == broken({**GOOD, "p50_milliseconds": 80.0, "p99_milliseconds": 900.0, "generator_cpu": 0.95})


def test_a_saturated_generator_does_not_excuse_failures():
    assert FAIL is outcomes({**GOOD, "failure_ratio": 0.1, "generator_cpu": 0.95})["failures"]


def noise(draw, blocks=30, size=50, slowdown=1.0):
    """Return pairs of blocks of latencies around 2 ms, with noise of the machine that lasts for a pair."""
    factors = [draw.lognormvariate(0, 0.2) for _ in range(blocks)]
    return [
        tuple([factor * side * draw.lognormvariate(-6.2, 0.2) for _ in range(size)] for side in (slowdown, 1.0))
        for factor in factors
    ]


@pytest.mark.parametrize(
    ("slowdown", "outcome", "reason"),
    [(1.2, FAIL, "slower"), (1.0, PASS, "within noise"), (0.8, PASS, "faster")],
)
def test_the_candidate_against_production(slowdown, outcome, reason):
    verdict = compare(noise(random.Random(1), slowdown=slowdown), LIMITS, SEED)
    assert (outcome, reason) == (verdict.outcome, verdict.reason)


def test_noise_wider_than_the_margin_is_inconclusive():
    pairs = [
        tuple([draw.lognormvariate(-6, 0.5) * noise() for _ in range(100)] for _ in range(2))
        for draw in map(random.Random, range(12))
        for noise in [lambda draw=draw: draw.choice((1, 8))]
    ]
    assert INCONCLUSIVE is compare(pairs, LIMITS, SEED).outcome


@pytest.mark.parametrize("pairs", [[], [([], [])], noise(random.Random(1), blocks=19)])
def test_too_few_responses_are_inconclusive(pairs):
    assert "invalid: too few responses for a verdict" == compare(pairs, LIMITS, SEED).reason


def test_blocks_without_a_partner_are_left_out():
    pairs = noise(random.Random(1))
    assert compare(pairs, LIMITS, SEED) == compare([*pairs, ([9.0] * 50, [])], LIMITS, SEED)


def test_the_interval_encloses_the_ratio_and_repeats_with_the_seed():
    pairs = noise(random.Random(1))
    ratio, low, high = ratio_of_medians(pairs, 0.99, 500, SEED)
    assert low < ratio < high
    assert (ratio, low, high) == ratio_of_medians(pairs, 0.99, 500, SEED)
