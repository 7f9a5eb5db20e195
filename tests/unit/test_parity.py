"""Parity is relative above 1, and a NaN on one side only is a difference."""

from __future__ import annotations

import numpy as np
import pytest

from slipway.evaluation.parity import differences


@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        (0.5, 0.5, 0.0),
        (0.5, 0.75, 0.25),
        (-0.5, 0.5, 1.0),
        (200.0, 100.0, 0.5),
        (-200.0, 100.0, 1.5),
        (np.nan, np.nan, 0.0),
        (np.inf, np.inf, 0.0),
        (np.nan, 1.0, np.nan),
        (1.0, np.nan, np.nan),
        (1.0, np.inf, np.inf),
    ],
)
def test_difference_of_a_pair(expected, actual, difference):
    assert np.array_equal(difference, differences(expected, actual), equal_nan=True)


def test_differences_have_the_shape_of_the_predictions():
    assert (3, 2) == differences(np.zeros((3, 2)), np.ones((3, 2))).shape
