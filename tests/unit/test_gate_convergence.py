from __future__ import annotations

import pytest
from pydantic import ValidationError

from slipway.gates import Outcome
from slipway.gates.convergence import JUDGES, verdict, verdicts
from slipway.gates.convergence_evidence import ConvergenceEvidence
from slipway.settings import read_settings
from tests.params import VALID

LIMITS = read_settings(VALID).convergence.model_copy(
    update={"loss_fall": 0.02, "overfit_fall": 0.5, "chance_skill": 0.1, "baseline_margin": 0.01}
)
NAN = float("nan")

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
    ("beats_baselines", {"model": 0.3, "dummy": 0.0, "linear": 0.3}),
    ("beats_baselines", {"model": NAN, "dummy": 0.0, "linear": 0.3}),
    ("beats_baselines", {"model": 0.4, "dummy": 0.0, "linear": NAN}),
    ("beats_baselines", {"model": 0.4}),
]


def evidence(changes: dict) -> ConvergenceEvidence:
    return ConvergenceEvidence.model_validate(GOOD | changes)


@pytest.mark.parametrize("name", JUDGES)
def test_good_evidence_passes(name):
    assert verdict(name, getattr(evidence({}), name), LIMITS).outcome is Outcome.PASS


@pytest.mark.parametrize(("name", "bad"), BAD)
def test_bad_evidence_fails(name, bad):
    failed = [judged for judged in verdicts(evidence({name: bad}), LIMITS) if judged.outcome is Outcome.FAIL]
    assert [JUDGES[name][0]] == [judged.gate for judged in failed]


@pytest.mark.parametrize("name", JUDGES)
def test_missing_evidence_fails(name):
    assert verdict(name, None, LIMITS).outcome is Outcome.FAIL


@pytest.mark.parametrize("name", ["loss_falls", "overfits", "shuffled", "repeats"])
@pytest.mark.parametrize("other", [None, {}, {"other": 1}, {"digests": ["a" * 64]}])
def test_evidence_of_another_form_is_rejected(name, other):
    with pytest.raises(ValidationError):
        evidence({name: other})


def test_every_property_has_a_verdict_even_without_evidence():
    assert dict.fromkeys((gate for gate, _ in JUDGES.values()), Outcome.FAIL) == {
        verdict.gate: verdict.outcome for verdict in verdicts(None, LIMITS)
    }


def test_every_property_is_a_field_of_the_evidence():
    assert JUDGES.keys() == ConvergenceEvidence.model_fields.keys()
