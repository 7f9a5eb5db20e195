"""Scores of the baselines are the same wherever they are computed."""

from __future__ import annotations

import numpy as np

from slipway.pipeline.evaluate import settled


def test_what_differs_in_the_last_digits_is_the_same():
    scores = np.random.default_rng(4).random((1000, 3))
    assert np.array_equal(settled(scores), settled(scores * (1 + 2.0**-45)))
    assert not np.array_equal(settled(scores), settled(scores * (1 + 2.0**-15)))


def test_six_digits_stay_of_large_and_of_small_scores():
    scores = np.array([1 / 3e9, -1 / 3, 1e9 / 3])
    np.testing.assert_allclose(settled(scores), scores, rtol=1e-6)


def test_no_score_and_nothing_stay_what_they_are():
    np.testing.assert_array_equal([0.0, 1.0, np.nan], settled(np.array([0.0, 1.0, np.nan])))
