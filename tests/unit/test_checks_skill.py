from __future__ import annotations

import math

import numpy as np
import pytest

from slipway.evaluation.skill import skill

CLASSES = ["a", "b", "c"]
EXACT = np.eye(3)


@pytest.mark.parametrize(
    ("expected", "task", "target", "scores"),
    [
        (1.0, "binary", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        (0.0, "binary", [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]),
        (-1.0, "binary", [0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]),
        (1.0, "regression", [1.0, 2.0, 30.0, 40.0], [5.0, 6.0, 7.0, 8.0]),
        (0.0, "regression", [1.0, 2.0, 30.0, 40.0], [7.0, 7.0, 7.0, 7.0]),
        (1.0, "multiclass", ["a", "b", "c"], EXACT),
        (1.0, "multiclass", ["a", "b", "b"], EXACT[[0, 1, 1]]),
        (0.0, "multiclass", ["a", "b", "c"], np.full((3, 3), 1 / 3)),
    ],
)
def test_skill_is_0_for_chance_and_1_for_perfect_order(expected, task, target, scores):
    assert expected == pytest.approx(skill(task, CLASSES, np.array(target), np.array(scores)))


@pytest.mark.parametrize("scores", [[0.1, float("nan"), 0.8, 0.9], [float("nan")] * 4])
def test_a_nan_score_gives_no_skill(scores):
    assert math.isnan(skill("binary", [0, 1], np.array([0, 0, 1, 1]), np.array(scores)))


def test_a_single_class_gives_no_skill():
    assert math.isnan(skill("binary", [0, 1], np.ones(3), np.array([0.1, 0.2, 0.3])))
