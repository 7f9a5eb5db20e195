"""The error rates of the champion gate are measured, and a gate that is wrong too often is detected."""

from __future__ import annotations

import numpy as np
import pytest

from slipway.errors import SettingError
from slipway.evaluation import metrics
from slipway.lab import comparison_power

RANDOM = np.random.default_rng(4)
Y = (RANDOM.random(3000) < 0.3).astype(float)
SCORES = 1 / (1 + np.exp(-(Y + RANDOM.normal(size=3000))))
AUC = metrics.for_task("binary")["roc_auc"]


@pytest.fixture(scope="module", autouse=True)
def _two_classes():
    """Set the task to that of the models above, independent of the problem."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_power.problem, "TASK", "binary")
        yield


def _blurred(seed: int):
    return comparison_power._blurred(SCORES, np.random.default_rng(seed).normal(size=3000))


def _rate(candidate, champion, decisions: set[str], confidence: float = 0.95, count: int = 60) -> float:
    """Return the rate of `decisions` in `count` trials."""
    trial = comparison_power.GateTrial("roc_auc", Y, candidate, champion, 200, confidence)
    return np.mean([trial(seed) in decisions for seed in range(count)])


@pytest.fixture(scope="module")
def equal() -> tuple[np.ndarray, np.ndarray]:
    candidate = _blurred(1)(0.5)
    return candidate, comparison_power._at_level(AUC, Y, _blurred(2), AUC.value(Y, candidate))


def test_noise_brings_a_model_to_the_requested_level():
    level = AUC.value(Y, SCORES) - 0.02
    assert level == pytest.approx(AUC.value(Y, comparison_power._at_level(AUC, Y, _blurred(1), level)), abs=1e-4)


def test_a_level_that_no_noise_reaches_is_rejected():
    with pytest.raises(SettingError, match=r"gates\.margin: no noise makes roc_auc so much worse"):
        comparison_power._at_level(AUC, Y, _blurred(1), 0.3)


def test_equal_models_rarely_differ_significantly(equal):
    assert _rate(*equal, {"better", "worse"}) <= 0.12


def test_equal_models_differ_too_often_if_the_interval_is_too_narrow(equal):
    assert _rate(*equal, {"better", "worse"}, confidence=0.4) >= 0.3


def test_a_large_loss_is_significantly_worse():
    worse = comparison_power._at_level(AUC, Y, _blurred(1), AUC.value(Y, SCORES) - 0.05)
    assert _rate(worse, SCORES, {"worse"}) >= 0.9
