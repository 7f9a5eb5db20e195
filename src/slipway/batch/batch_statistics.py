"""Statistics of a batch that a fault changes, and that a season changes no more than between windows of the reference.

Each statistic is on a scale on which windows vary evenly: logarithms of errors, arcsines of fractions, Fisher's z of
correlations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

import problem
from slipway.evaluation.segments import ALL, segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.batch.batch_rows import BatchRows
    from slipway.batch.column_models import Measured
    from slipway.batch.profile import ColumnProfile

ERROR_CAP = 10.0  # mean errors at which an error is clipped, so that no single row decides
ERROR_FLOOR = 0.05  # mean errors that are added before the logarithm: an error near zero may double
OUTLIER_QUANTILE = 0.998  # of the reference's errors, above which an error is an outlier
SEGMENT_ROWS_MIN = 50
CORRELATION_MAX = 0.999
NEW_KIND_ROWS_MIN = 10  # rows with the same number, on average
STEP_DISTANCE = 1
FROZEN_ROWS_MIN = 5  # rows that are added before the logarithm: a few equal rows in succession are chance


class StatisticKey(NamedTuple):
    """A statistic of a column in a segment."""

    statistic: str
    column: str
    segment: str = ALL


@dataclass(frozen=True)
class Value:
    """A value, and the error of its estimate if the rows were independent."""

    value: float
    noise: float


Keyed: TypeAlias = "Iterator[tuple[StatisticKey, Value]]"


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
    for part in (_of_errors, _of_segments, _of_target, _of_values, _of_order):
        values |= dict(part(measured, scales, profiles))
    return values


def _of_errors(measured: Measured, scales: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    for place, (name, column) in enumerate(profiles.items()):
        scaled = measured.errors[:, place] / scales.error[place]
        defined = scaled[~np.isnan(scaled)]
        if len(defined) < SEGMENT_ROWS_MIN or name == problem.TARGET or scales.by_clock[place]:
            continue
        yield StatisticKey("error", name), _log_mean(np.abs(defined), scales.ignored[place])
        is_outlier = np.abs(scaled) > scales.outlier[place]
        if column.kind == "number":
            is_outlier &= ~_are_new_kinds(measured.rows.features[name].to_numpy(), scales.ends[:, place])
        yield StatisticKey("outliers", name), fraction_of(is_outlier[~np.isnan(scaled)])
        if column.kind == "number":
            clipped = np.clip(defined, -ERROR_CAP, ERROR_CAP)
            yield StatisticKey("bias", name), Value(float(clipped.mean()), float(clipped.std() / len(defined) ** 0.5))


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
                yield StatisticKey("error", name, segment), _log_mean(defined, scales.ignored[place])


def _of_target(measured: Measured, _: Scales, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    """Yield how well the target follows, by segment compared with the others, and what each column carries of it."""
    if problem.TARGET not in profiles:
        return
    place = list(profiles).index(problem.TARGET)
    errors, is_number = measured.errors[:, place], profiles[problem.TARGET].kind == "number"
    if is_number:
        target, predicted = measured.rows.features[problem.TARGET].to_numpy(dtype=float), measured.predictions[:, place]
        yield StatisticKey("follows", problem.TARGET), _correlation(predicted, target)
        yield from _of_target_segments(measured, predicted, target)
    elif len(defined := errors[~np.isnan(errors)]):
        yield StatisticKey("error", problem.TARGET), _log_mean(defined)
    label_ranks = _ranks(measured.codes[:, place])
    for other, (name, column) in enumerate(profiles.items()):
        if other != place:
            carries = _correlation if column.kind == "number" else _association
            yield StatisticKey("carries", name), carries(measured.codes[:, other], errors)
            if is_number:
                copied = carries(_ranks(measured.codes[:, other]), label_ranks)
                yield StatisticKey("copies", name), Value(abs(copied.value), copied.noise)
    equal = row_hashes(measured.rows, problem.TARGET)
    labels = measured.rows.features[problem.TARGET].groupby(equal).transform("nunique")
    yield StatisticKey("conflicts", problem.TARGET), fraction_of(labels.to_numpy() > 1)


def _of_target_segments(measured: Measured, predicted: np.ndarray, target: np.ndarray) -> Keyed:
    """Yield how much better the target follows in each segment than elsewhere, which a season hardly changes."""
    for segment, rows in segments(measured.rows.features, problem.SEGMENTS, SEGMENT_ROWS_MIN).items():
        inside = np.zeros(len(target), dtype=bool)
        inside[rows] = True
        if segment != ALL and len(target) - inside.sum() >= SEGMENT_ROWS_MIN:
            own, elsewhere = (_correlation(predicted[chosen], target[chosen]) for chosen in (inside, ~inside))
            difference = Value(own.value - elsewhere.value, float(np.hypot(own.noise, elsewhere.noise)))
            yield StatisticKey("uneven", problem.TARGET, segment), difference


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
            yield StatisticKey("steps", name), _log_mean(steps / scales.step[place])
            longest = FROZEN_ROWS_MIN + float(measured.rows.frozen[name].max())
            yield StatisticKey("frozen", name), Value(float(np.log(longest)), 0.0)
        by_clock = np.abs(measured.clock_errors[:, place]) / scales.clock[place]
        by_clock = by_clock[~np.isnan(by_clock)]
        if len(by_clock) >= SEGMENT_ROWS_MIN:
            yield StatisticKey("clock", name), _log_mean(by_clock)
        gain = None if scales.by_clock[place] else moved_gain(measured, scales, place, name)
        if gain is not None:
            yield StatisticKey("moved", name), gain


def _ranks(codes: np.ndarray) -> np.ndarray:
    """Return the ranks of bins, equal ones for equal bins, shape (n,)."""
    ranks: np.ndarray = pd.Series(codes).rank().to_numpy()
    return ranks


def row_hashes(rows: BatchRows, *ignored: str) -> np.ndarray:
    """Return a hash of the values of each row, shape (n,), without the columns `ignored`."""
    hashes: np.ndarray = pd.util.hash_pandas_object(rows.features.drop(columns=list(ignored)), index=False).to_numpy()
    return hashes


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
            left, right = _log_mean(moved[both]), _log_mean(now[both])
            gains[distance] = Value(left.value - right.value, right.noise)
    return gains


def _log_mean(scaled: np.ndarray, ignored: float = 0.0) -> Value:
    clipped = np.clip(scaled, 0, ERROR_CAP)
    average = float(clipped.mean())
    mean = average + ERROR_FLOOR + ignored
    deviation = max(float(clipped @ clipped) / len(clipped) - average**2, 0.0) ** 0.5
    return Value(float(np.log(mean)), deviation / mean / len(clipped) ** 0.5)


def fraction_of(is_true: np.ndarray) -> Value:
    """Return the fraction on the scale of arcsines."""
    return arcsine(float(is_true.mean()), len(is_true))


def arcsine(fraction: float, count: float) -> Value:
    """Return a fraction of `count` rows, or a distance between distributions, on the scale of arcsines.

    Its noise does not depend on it there.
    """
    return Value(float(np.arcsin(np.sqrt(min(max(fraction, 0.0), 1.0)))), 0.5 / max(count, 1) ** 0.5)


def from_arcsine(value: float) -> float:
    """Return the fraction or distance that is `value` on the scale of arcsines."""
    return float(np.sin(np.clip(value, 0, np.pi / 2)) ** 2)


def _association(codes: np.ndarray, errors: np.ndarray) -> Value:
    """Return the correlation of the errors with their mean by category, without what chance adds to it."""
    defined = ~np.isnan(errors)
    codes, errors = codes[defined], errors[defined]
    if len(errors) < SEGMENT_ROWS_MIN or not errors.std():
        return Value(0.0, 1.0)
    groups = np.unique(codes, return_inverse=True)[1]
    counts = np.bincount(groups)
    means = np.bincount(groups, errors) / counts
    explained = float((counts * (means - errors.mean()) ** 2).sum() / (len(errors) * errors.var()))
    chance = (len(counts) - 1) / len(errors)
    correlation = min(max(explained - chance, 0.0) ** 0.5, CORRELATION_MAX)
    return Value(float(np.arctanh(correlation)), len(errors) ** -0.5)


def _correlation(left: np.ndarray, right: np.ndarray) -> Value:
    both = ~np.isnan(left) & ~np.isnan(right)
    left, right = left[both], right[both]
    if len(left) < SEGMENT_ROWS_MIN:
        return Value(0.0, 1.0)
    left, right = left - left.mean(), right - right.mean()
    spread = float(left @ left) ** 0.5 * float(right @ right) ** 0.5  # numpy.corrcoef takes five times as long
    if not spread:
        return Value(0.0, 1.0)
    correlation = float(np.clip((left @ right) / spread, -CORRELATION_MAX, CORRELATION_MAX))
    return Value(float(np.arctanh(correlation)), len(left) ** -0.5)
