from __future__ import annotations

import pytest

from slipway.gates import Outcome
from slipway.gates.convergence import JUDGES, verdict, verdicts

NAN = float("nan")
LIMITS = {"loss_fall": 0.02, "overfit_fall": 0.5, "chance_skill": 0.1, "baseline_margin": 0.01}

GOOD = {
    "loss_falls": {"over": "iterations", "first": 0.6, "last": 0.4},
    "overfits": {"model": 0.1, "dummy": 0.5},
    "shuffled": {"skill": -0.02},
    "finite": {"missing": 0, "huge": 0},
    "repeats": {"digests": ["a" * 64, "a" * 64]},
    "beats_baselines": {"model": 0.4, "dummy": 0.0, "linear": 0.3},
}
BAD = [
    ("loss_falls", {"over": "iterations", "first": 0.6, "last": 0.6}),
    ("loss_falls", {"over": "iterations", "first": 0.6, "last": 0.7}),
    ("loss_falls", {"over": "iterations", "first": 0.6, "last": NAN}),
    ("loss_falls", {"over": "iterations", "first": 0.0, "last": 0.0}),
    ("overfits", {"model": 0.4, "dummy": 0.5}),
    ("overfits", {"model": NAN, "dummy": 0.5}),
    ("shuffled", {"skill": 0.2}),
    ("shuffled", {"skill": -0.2}),
    ("shuffled", {"skill": NAN}),
    ("finite", {"missing": 0, "huge": 3}),
    ("finite", {"missing": "ValueError: Input X contains NaN."}),
    ("finite", {}),
    ("repeats", {"digests": ["a" * 64, "b" * 64]}),
    ("repeats", {"digests": ["a" * 64]}),
    ("beats_baselines", {"model": 0.3, "dummy": 0.0, "linear": 0.3}),
    ("beats_baselines", {"model": NAN, "dummy": 0.0, "linear": 0.3}),
    ("beats_baselines", {"model": 0.4, "dummy": 0.0, "linear": NAN}),
    ("beats_baselines", {"model": 0.4}),
]


@pytest.mark.parametrize("name", JUDGES)
def test_good_evidence_passes(name):
    assert verdict(name, GOOD[name], LIMITS).outcome is Outcome.PASS


@pytest.mark.parametrize(("name", "evidence"), BAD)
def test_bad_evidence_fails(name, evidence):
    assert verdict(name, evidence, LIMITS).outcome is Outcome.FAIL


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("evidence", [None, {"other": 1}])
def test_missing_evidence_fails(name, evidence):
    assert verdict(name, evidence, LIMITS).outcome is Outcome.FAIL


def test_every_property_has_a_verdict_even_without_evidence():
    assert dict.fromkeys((gate for gate, _ in JUDGES.values()), Outcome.FAIL) == {
        verdict.gate: verdict.outcome for verdict in verdicts({}, LIMITS)
    }
