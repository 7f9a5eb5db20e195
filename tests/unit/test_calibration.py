"""Calibration bins hold equally many rows, and the gap does not depend on the target's unit."""

from __future__ import annotations

import numpy as np
import pytest

from slipway.evaluation.calibration import deciles, mean_gap
from slipway.evaluation.compared import Decile


def test_bins_follow_the_order_of_the_predictions():
    prediction = np.linspace(0.9, 0.0, 10)
    bins = deciles(prediction > 0.5, prediction)
    assert np.allclose(np.linspace(0.0, 0.9, 10), [row.predicted for row in bins])
    assert [0.0] * 6 + [1.0] * 4 == [row.observed for row in bins]


def test_few_rows_have_a_bin_each():
    assert 3 == len(deciles(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.7, 0.9])))


def test_a_class_is_compared_with_its_probability():
    bins = deciles(np.array([1, 1]), np.array([[0.2, 0.8], [0.7, 0.3]]))
    assert [Decile(predicted=0.7, observed=0.0), Decile(predicted=0.8, observed=1.0)] == bins


@pytest.mark.parametrize("unit", [1, 1000])
def test_the_gap_does_not_depend_on_the_unit_of_a_wide_target(unit):
    bins = [Decile(predicted=low * unit, observed=(low + 2.0) * unit) for low in (10.0, 30.0)]
    assert pytest.approx(0.1) == mean_gap(bins)


def test_the_gap_of_probabilities_is_their_mean_distance():
    assert pytest.approx(0.15) == mean_gap([Decile(predicted=0.2, observed=0.3), Decile(predicted=0.8, observed=0.6)])
