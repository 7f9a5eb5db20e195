"""Tests of the training of the problem's own estimator; they derive from `problem`, so a fork keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from slipway.checks import convergence
from slipway.gates import Outcome
from slipway.gates.convergence import verdict
from slipway.pull_request.jobs import VERDICT, read_verdict
from slipway.settings import read_settings

SETTINGS = read_settings()
LIMITS = SETTINGS.convergence


@pytest.fixture(scope="module")
def subject():
    with threadpool_limits(1):  # waiting threads slow a busy machine down many times
        yield convergence.subject(Path("data"), SETTINGS)


@pytest.fixture
def holds(record_property):
    """Return a function that requires a pass, and records the verdict in JUnit's file for the report."""

    def judge(name: str, evidence: Any) -> None:
        judged = verdict(name, evidence, LIMITS)
        record_property(VERDICT, read_verdict.dump_json(judged).decode())
        assert judged.outcome is Outcome.PASS, f"{judged.gate}: {judged.observed}; required: {judged.threshold}"

    return judge


def test_training_loss_falls(subject, holds):
    holds("loss_falls", convergence.loss_falls(subject))


def test_model_overfits_a_small_sample(subject, holds):
    holds("overfits", convergence.overfits(subject, LIMITS.small_rows))


def test_shuffled_labels_give_no_skill(subject, holds):
    holds("shuffled", convergence.shuffled(subject))


def test_predictions_on_unusual_inputs_are_finite(subject, holds):
    holds("finite", convergence.finite(subject))


def test_same_seed_gives_the_same_model(subject, holds):
    holds("repeats", convergence.repeats(subject))


def test_model_beats_dummy_and_linear_baseline(subject, holds):
    holds("beats_baselines", convergence.beats_baselines(subject))
