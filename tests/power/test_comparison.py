"""The champion gate's own error rates can be measured, and a gate that is wrong too often is found out."""

from __future__ import annotations

import numpy as np
import pytest

from slipway import metrics, power
from slipway.errors import UserError

RANDOM = np.random.default_rng(4)
Y = (RANDOM.random(3000) < 0.3).astype(float)
SCORES = 1 / (1 + np.exp(-(Y + RANDOM.normal(size=3000))))
AUC = metrics.for_task("binary")["roc_auc"]


@pytest.fixture(scope="module", autouse=True)
def _two_classes():
    """Whatever the task of the problem is, here it is that of the models above."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(power.problem, "TASK", "binary")
        yield


def _blurred(seed: int):
    return power._blurred(SCORES, np.random.default_rng(seed).normal(size=3000))


def _share(candidate, champion, words: set[str], confidence: float = 0.95, count: int = 60) -> float:
    trial = power.Trial("roc_auc", Y, candidate, champion, 200, confidence)
    return np.mean([trial(seed) in words for seed in range(count)])


@pytest.fixture(scope="module")
def equal() -> tuple[np.ndarray, np.ndarray]:
    candidate = _blurred(1)(0.5)
    return candidate, power._at_level(AUC, Y, _blurred(2), AUC.value(Y, candidate))


def test_a_model_is_blurred_to_just_the_level_that_is_asked_for():
    level = AUC.value(Y, SCORES) - 0.02
    assert level == pytest.approx(AUC.value(Y, power._at_level(AUC, Y, _blurred(1), level)), abs=1e-4)


def test_a_level_that_no_noise_reaches_is_one_line():
    with pytest.raises(UserError, match=r"gates\.margin: no noise makes roc_auc so much worse"):
        power._at_level(AUC, Y, _blurred(1), 0.3)


def test_equal_models_are_rarely_told_apart(equal):
    assert 0.12 >= _share(*equal, {"better", "worse"})


def test_too_narrow_an_interval_tells_equal_models_apart_too_often(equal):
    assert 0.3 <= _share(*equal, {"better", "worse"}, confidence=0.4)


def test_a_large_loss_is_called_worse():
    worse = power._at_level(AUC, Y, _blurred(1), AUC.value(Y, SCORES) - 0.05)
    assert 0.9 <= _share(worse, SCORES, {"worse"})
