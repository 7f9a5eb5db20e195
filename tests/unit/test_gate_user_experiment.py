"""The decision of an experiment by user: its size, its error rates, and what keeps it from a decision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipway.gates import Outcome, overall
from slipway.gates.user_experiment import (
    ExperimentEvidence,
    ExperimentPlan,
    SideFacts,
    judge,
    mismatch,
    users_needed,
    winnings,
)

RATE, EFFECT, ALPHA, POWER = 0.3, 0.05, 0.05, 0.8
DEVIATION = math.sqrt(RATE * (1 - RATE))
USERS = users_needed(DEVIATION, EFFECT, ALPHA, POWER, 1)
PLAN = ExperimentPlan(baseline=RATE, deviation=DEVIATION, effect=EFFECT, alpha=ALPHA, power=POWER, users=USERS)
THRESHOLD = math.log(2 / ALPHA)
RUNS = 300


def _side(users=1000, observed=1000, labeled=1000, crossed=0, mean=0.3) -> SideFacts:
    return SideFacts(users=users, observed=observed, labeled=labeled, crossed=crossed, mean=mean)


def _judged(treatment=None, control=None, log_better=5.0, log_worse=-5.0, **changes):
    evidence = ExperimentEvidence(
        environment="production",
        name="prices",
        release="v0.2.0",
        digest="sha256:1",
        control="v0.1.0",
        plan=PLAN.model_copy(update={"users": 900}),
        treatment_side=treatment or _side(mean=0.35),
        control_side=control or _side(),
        unidentified_rows=0,
        rows=2000,
        log_better=log_better,
        log_worse=log_worse,
    )
    return judge(evidence.model_copy(update=changes), label_ratio=0.8)


def _decided(rate: float, plan=PLAN) -> tuple[float, float]:
    """Return the fractions of the simulated experiments that end with better, and with worse."""
    random, better, worse = np.random.default_rng(5), 0, 0
    for _ in range(RUNS):
        ours, theirs = (random.random(plan.users) < chance for chance in (rate, plan.baseline))
        logs = winnings(ours.astype(float).tolist(), theirs.astype(float).tolist(), plan)
        better, worse = better + (logs[0] >= THRESHOLD), worse + (logs[1] >= THRESHOLD)
    return better / RUNS, worse / RUNS


def test_the_size_is_1_6_times_that_of_the_t_test():
    t_test = 2 * ((1.96 + 0.8416) * DEVIATION / EFFECT) ** 2
    assert 1.55 <= USERS / t_test <= 1.65


def test_equal_models_are_rarely_decided_and_the_stated_effect_is_with_the_stated_power():
    assert max(_decided(RATE)) <= ALPHA / 2
    assert POWER - 0.07 <= _decided(RATE + EFFECT)[0]
    assert POWER - 0.07 <= _decided(RATE - EFFECT)[1]


@pytest.mark.parametrize(("rate", "effect"), [(0.02, 0.05), (0.02, 0.2), (0.05, 0.9), (0.1, 0.5), (0.3, 0.2)])
def test_a_rare_outcome_or_a_large_effect_is_detected_with_the_stated_power(rate, effect):
    """The stake is limited, so the formula for small effects would need too few users, two for the third case."""
    deviation = math.sqrt(sum(chance * (1 - chance) for chance in (rate, rate + effect)) / 2)
    users = users_needed(deviation, effect, ALPHA, POWER, 1)
    plan = PLAN.model_copy(update={"baseline": rate, "deviation": deviation, "effect": effect, "users": users})
    assert POWER - 0.07 <= _decided(rate + effect, plan)[0]
    assert max(_decided(rate, plan)) <= ALPHA / 2


def test_the_size_depends_on_no_unit():
    assert users_needed(0.2, 0.3, ALPHA, POWER, 1) == users_needed(20, 30, ALPHA, POWER, 100)


def test_a_lower_outcome_is_better_where_that_is_stated():
    costs = PLAN.model_copy(update={"lower_is_better": True})
    assert winnings([1.0, 0.0], [0.0, 0.0], PLAN) == winnings([1.0, 0.0], [0.0, 0.0], costs)[::-1]


def test_evaluating_after_each_user_does_not_raise_the_rate_of_false_decisions():
    """A t-test that stops at the first significant difference is wrong in a third of such experiments."""
    random, early = np.random.default_rng(6), 0
    for _ in range(RUNS):
        difference = (random.random(USERS) < RATE).astype(float) - (random.random(USERS) < RATE)
        early += (
            max(np.log1p(PLAN.stake * difference).cumsum().max(), np.log1p(-PLAN.stake * difference).cumsum().max())
            >= THRESHOLD
        )
    assert early / RUNS <= ALPHA


@pytest.mark.parametrize(
    ("log_better", "log_worse", "outcome", "reason"),
    [
        (4.0, -4.0, Outcome.PASS, "the treatment is better"),
        (-4.0, 4.0, Outcome.FAIL, "the treatment is worse"),
        (3.6, 0.0, Outcome.INCONCLUSIVE, "no difference; one of 0.05 is detected with probability 80%"),
        (math.nan, 0.0, Outcome.INCONCLUSIVE, "no finite evidence"),
        (None, None, Outcome.INCONCLUSIVE, "no finite evidence"),
    ],
)
def test_the_metric_decides(log_better, log_worse, outcome, reason):
    verdicts = _judged(log_better=log_better, log_worse=log_worse)
    assert (outcome, reason) == (overall(verdicts), verdicts[-1].reason)


@pytest.mark.parametrize(
    ("changes", "gate", "reason"),
    [
        ({"treatment": _side(899, 899, 899), "control": _side(899, 899, 899)}, "size", "fewer users than stated"),
        ({"treatment": _side(users=1200), "control": _side(users=1000)}, "ratio", "sample ratio mismatch"),
        ({"treatment": _side(crossed=21)}, "sides", "users changed sides"),
        ({"treatment": _side(observed=1200), "control": _side(observed=1200)}, "outcomes", None),
        ({"treatment": _side(labeled=950, observed=1200), "control": _side(observed=1250)}, "outcomes", "too many"),
        ({"treatment": _side(labeled=930), "control": _side(labeled=985)}, "outcomes", "more often on one side"),
        ({"within_limits": False}, "outcomes", "not within the stated limits, 0 to 1"),
    ],
)
def test_a_doubtful_experiment_is_inconclusive_however_large_the_difference(changes, gate, reason):
    verdicts = _judged(**changes)
    if reason is None:
        assert Outcome.PASS is overall(verdicts)
        return
    doubted = [verdict for verdict in verdicts[:-1] if verdict.outcome is not Outcome.PASS]
    assert [f"experiment: {gate}"] == [verdict.gate for verdict in doubted]
    assert reason in doubted[0].reason
    assert f"not judged, because of experiment: {gate}" == verdicts[-1].reason
    assert Outcome.INCONCLUSIVE is overall(verdicts)


def test_a_ratio_that_chance_explains_is_no_mismatch():
    assert mismatch(1060, 1000) > 0.1
    assert mismatch(1200, 1000) < 0.001
    assert 1.0 == mismatch(0, 0)
