"""Statistics of a batch that a fault changes, and that a season changes no more than between windows of the reference.

Each statistic is on a scale on which windows vary evenly: logarithms of errors, arcsines of fractions, Fisher's z of
correlations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch.label_statistics import of_target
from slipway.batch.statistic_values import (
    ERROR_CAP,
    SEGMENT_ROWS_MIN,
    StatisticKey,
    Value,
    arcsine,
    correlation,
    fraction_of,
    log_mean,
)
from slipway.evaluation.segments import ALL, segments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.batch.column_models import Measured
    from slipway.batch.profile import ColumnProfile
    from slipway.batch.statistic_values import Keyed

OUTLIER_QUANTILE = 0.998  # of the reference's errors, above which an error is an outlier
NEW_KIND_ROWS_MIN = 10  # rows with the same number, on average
STEP_DISTANCE = 1
FROZEN_ROWS_MIN = 5  # rows that are added before the logarithm: a few equal rows in succession are chance


@dataclass(frozen=True)
class Scales:
    """Units of the errors, by place of the column, shape (c,) each."""

    error: np.ndarray
    """Mean absolute error in the reference, or the smallest one that matters."""
    ignored: np.ndarray
    """Difference between the two, in units of `error`; where it is above zero, an error may double and stay tiny."""
    outlier: np.ndarray
    """Error, in units of `error`, above which it is an outlier."""
    step: np.ndarray
    """Mean absolute difference of consecutive values in the reference; NaN for categories."""
    clock: np.ndarray
    """Mean absolute error of the prediction from the clock alone; NaN where the clock does not determine the column."""
    by_clock: np.ndarray
    """Whether the clock alone determines the column as well as all others do, so that its relations add nothing."""
    ends: np.ndarray
    """Numbers below and above which the reference has hardly any, shape (2, c); NaN for categories."""


def statistics(measured: Measured, scales: Scales, profiles: Mapping[str, ColumnProfile]) -> dict[StatisticKey, Value]:
    """Return all statistics of the rows, except those that compare them with windows."""
    values: dict[StatisticKey, Value] = {}
    for part in (_of_errors, _of_segments, _of_values, _of_order):
        values |= dict(part(measured, scales, profiles))
    return values | dict(of_target(measured, profiles))


def _of_errors(measured: Measured, scales: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    for place, (name, column) in enumerate(profiles.items()):
        scaled = measured.errors[:, place] / scales.error[place]
        defined = scaled[~np.isnan(scaled)]
        if len(defined) < SEGMENT_ROWS_MIN or name == problem.TARGET or scales.by_clock[place]:
            continue
        yield StatisticKey("error", name), log_mean(np.abs(defined), scales.ignored[place])
        if column.kind == "number":
            is_outlier = np.abs(scaled) > scales.outlier[place]
            is_outlier &= ~_are_new_kinds(measured.rows.features[name].to_numpy(), scales.ends[:, place])
        else:  # the probability has a floor, and no surprise exceeds that of the floor
            is_outlier = scaled >= scales.outlier[place]
        yield StatisticKey("outliers", name), fraction_of(is_outlier[~np.isnan(scaled)])
        if column.kind == "number":
            clipped = np.clip(defined, -ERROR_CAP, ERROR_CAP)
            yield StatisticKey("bias", name), Value(float(clipped.mean()), float(clipped.std() / len(defined) ** 0.5))
            values = measured.rows.features[name].to_numpy(dtype=float)
            yield StatisticKey("falls", name), correlation(measured.predictions[:, place], values)


def _are_new_kinds(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return which rows have a number outside `ends` that occurs in many rows, as those of new products do.

    A single such number may be a placeholder, and numbers that do not recur an error of measurement.
    """
    outside: np.ndarray = (values < ends[0]) | (values > ends[1])
    distinct = len(np.unique(values[outside]))
    return outside if 2 <= distinct <= outside.sum() / NEW_KIND_ROWS_MIN else np.zeros(len(values), dtype=bool)


def _of_segments(measured: Measured, scales: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    names = list(profiles)
    scaled = np.clip(np.abs(measured.errors / scales.error), 0, ERROR_CAP)
    for segment, rows in segments(measured.rows.features, problem.SEGMENTS, SEGMENT_ROWS_MIN).items():
        if segment == ALL:
            continue
        for place, name in enumerate(names):
            defined = scaled[rows, place]
            defined = defined[~np.isnan(defined)]
            if len(defined) >= SEGMENT_ROWS_MIN and name != problem.TARGET and not scales.by_clock[place]:
                yield StatisticKey("error", name, segment), log_mean(defined, scales.ignored[place])


def _of_values(measured: Measured, _: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    """Yield fractions of missing, most frequent and round values."""
    for (name, column), codes in zip(profiles.items(), measured.codes.T, strict=True):
        values = measured.rows.features[name]
        for indicator, fraction in column.indicators(values, codes).items():
            yield StatisticKey(indicator, name), arcsine(fraction, len(values))


def _of_order(measured: Measured, scales: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    """Yield the size of the steps between consecutive rows, the longest run without one, and the gain by a move."""
    for place, (name, column) in enumerate(profiles.items()):
        if column.kind != "number" or not measured.rows.neighbors:
            continue
        values = measured.rows.features[name].to_numpy(dtype=float)
        before = measured.rows.neighbors[STEP_DISTANCE][name].to_numpy(dtype=float)
        steps = np.abs(values - before)
        steps = steps[~np.isnan(steps)]
        if len(steps) >= SEGMENT_ROWS_MIN and scales.step[place] > 0:
            yield StatisticKey("steps", name), log_mean(steps / scales.step[place])
            longest = FROZEN_ROWS_MIN + float(measured.rows.frozen[name].max())
            yield StatisticKey("frozen", name), Value(float(np.log(longest)), 0.0)
        by_clock = np.abs(measured.clock_errors[:, place]) / scales.clock[place]
        by_clock = by_clock[~np.isnan(by_clock)]
        if len(by_clock) >= SEGMENT_ROWS_MIN:
            yield StatisticKey("clock", name), log_mean(by_clock)
        gain = None if scales.by_clock[place] else moved_gain(measured, scales, place, name)
        if gain is not None:
            yield StatisticKey("moved", name), gain


def moved_gain(measured: Measured, scales: Scales, place: int, name: str) -> Value | None:
    """Return the logarithm of the lowest mean error with the column moved, relative to the error as it is."""
    gains = list(moved_gains(measured, scales, place, name).values())
    return min(gains, key=lambda gain: gain.value) if gains else None


def moved_gains(measured: Measured, scales: Scales, place: int, name: str) -> dict[int, Value]:
    """Return the gain by the number of rows that the column is moved."""
    gains = {}
    now = np.abs(measured.errors[:, place]) / scales.error[place]
    for distance, neighbors in measured.rows.neighbors.items():
        moved = np.abs(neighbors[name].to_numpy(dtype=float) - measured.predictions[:, place]) / scales.error[place]
        both = ~np.isnan(now) & ~np.isnan(moved)
        if both.sum() >= SEGMENT_ROWS_MIN:
            left, right = log_mean(moved[both]), log_mean(now[both])
            gains[distance] = Value(left.value - right.value, right.noise)
    return gains
