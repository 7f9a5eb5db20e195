"""Prediction intervals: the range that windows of a reference let expect of a statistic of one more window.

The interval is that of a normal distribution with unknown mean and variance, so it is wide where windows are few or
vary with the season. Its error rate is divided by the number of statistics, so that clean batches as a whole are
rarely outside. Windows of one file differ less than files do, so the interval of a relation or a distribution is wider
where the reference has few files: two and three times as wide for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from slipway.batch.statistic_values import arcsine
from slipway.evaluation.segments import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.batch.statistic_values import StatisticKey, Value
    from slipway.settings.data_checks import RelationsSection

WINDOWS_MIN = 4
FREEDOM_MAX = 1000.0  # degrees of freedom, from which a t distribution is a normal one
BETWEEN_RATIO_MIN = 0.5  # of the variance of windows; moves batches as well, since chance may be estimated too high
COPY_CORRELATION = float(np.arctanh(0.98))  # with the label; a column that reaches it is the label under another name
CHANCE_DEVIATIONS = 3.0  # of the estimate of a correlation, up to which chance explains it
CLEAN_DEVIATIONS = 3.0  # between windows, by which a clean batch is lower once in 200
MANY_DEVIATIONS = 4.0  # the same for segments and columns, of which there are dozens
COLUMN_CORRELATION_MIN = float(np.arctanh(0.5))  # of a column with its prediction; a weaker one pauses, as rain does
LONGER_MIN = 2.0  # factor of the longest run of rows with equal values
FEWER_MIN = 1.5  # factor of the number of distinct values; a loss of one of two matters, of one of three not
TIMES_RATIO_MIN = 0.2  # of the rows, whose time of day is new; a wrong time zone moves most, longer hours a few
VALUES_RATIO_MIN = 0.01  # of the rows, whose values are new or absent
BOTH, HIGH, LOW = "both", "high", "low"
SIDES = {
    "bias": BOTH,
    "carries": BOTH,
    "steps": BOTH,
    "follows": BOTH,
    "uneven": BOTH,
    "missing": BOTH,
    "moved": LOW,
    "distinct": LOW,
}
"""Sides on which a statistic is a fault, where not only a high value is."""
WIDENED = {
    **dict.fromkeys(("error", "outliers", "bias", "moved", "steps", "frozen", "new", "distinct"), 1),
    **dict.fromkeys(("shape", "absent", "drift"), 2),
}
"""Statistics that change from file to file, as schedules, stocks and seasons do, more than within one."""


@dataclass(frozen=True)
class Excess:
    """A statistic outside its interval."""

    key: StatisticKey
    value: float
    mean: float
    """Over the windows."""
    limit: float
    score: float
    """Distance from the mean in units of the distance of the limit; above 1 is outside."""


def excesses(
    values: Mapping[StatisticKey, Value],
    series: Mapping[StatisticKey, Sequence[Value]],
    limits: RelationsSection,
    files: int,
) -> list[Excess]:
    """Return how far each statistic of a batch is outside its interval, worst first; negative scores are inside.

    series: values in the windows; a statistic with fewer than WINDOWS_MIN of them is not judged.
    files: number of files that the reference consists of.
    """
    judged = {key: value for key, value in values.items() if len(series.get(key, ())) >= WINDOWS_MIN}
    rate = limits.false_alarms / max(sum(key.statistic != "falls" for key in judged), 1)
    listed = [_excess(key, value, series[key], rate, limits, files) for key, value in judged.items()]
    return sorted(listed, key=lambda excess: -excess.score)


def _excess(
    key: StatisticKey, value: Value, series: Sequence[Value], rate: float, limits: RelationsSection, files: int
) -> Excess:
    if key.statistic == "falls":
        return _fall(key, value, series, files)
    windows = np.array([window.value for window in series])
    side = SIDES.get(key.statistic, HIGH)
    noise = float(np.mean([window.noise**2 for window in series]))
    floor = 0.0 if key.statistic == "uneven" else BETWEEN_RATIO_MIN
    deviation, freedom = _deviation(windows, noise, value.noise, floor)
    deviation *= 1 + WIDENED.get(key.statistic, 0) / files
    if key.statistic in WIDENED:  # files differ, by more than any number of windows of a few shows
        freedom = len(windows) - 1
    quantile = -stdtrit(freedom, rate / (2 if side == BOTH else 1))
    mean, width = float(windows.mean()), float(quantile) * deviation
    width += minimum(key.statistic, limits)
    if key.statistic == "follows" and (fall := _fall_to_chance(windows, noise, value.noise, files)):
        width = min(width, fall)
    if key.statistic == "frozen":
        longer = minimum(key.statistic, limits)
        width = max(width - longer, longer, _linear_limit(windows, float(quantile)) - mean)
    if key.statistic == "copies" and mean < COPY_CORRELATION:
        chance = (noise + value.noise**2) ** 0.5  # a column that is nearly the label varies by as much around the limit
        width = min(width, max(COPY_CORRELATION - mean, MANY_DEVIATIONS * chance))
    distance = value.value - mean
    signed = {BOTH: abs(distance), HIGH: distance, LOW: -distance}[side]
    return Excess(key, value.value, mean, mean + (width if distance > 0 else -width), signed / width)


def _fall(key: StatisticKey, value: Value, series: Sequence[Value], files: int) -> Excess:
    """Return how far the label of a segment, or a column, fell to chance; it is not judged otherwise."""
    windows = np.array([window.value for window in series])
    noise, mean = float(np.mean([window.noise**2 for window in series])), float(windows.mean())
    is_column = key.segment == ALL  # a live window is one, and averages no others
    fall = _fall_to_chance(windows, noise, value.noise, len(windows) if is_column else files, MANY_DEVIATIONS)
    width = np.inf if fall is None or (is_column and mean < COLUMN_CORRELATION_MIN) else fall
    return Excess(key, value.value, mean, mean - width, (mean - value.value) / width)


def _linear_limit(windows: np.ndarray, quantile: float) -> float:
    """Return the logarithm of the upper limit that logarithms have on the scale of their numbers."""
    numbers = np.exp(windows)
    return float(np.log(numbers.mean() + quantile * numbers.std(ddof=1)))


def _fall_to_chance(
    windows: np.ndarray, noise: float, own: float, files: int, deviations: float = CLEAN_DEVIATIONS
) -> float | None:
    """Return the fall of a correlation to what chance reaches; None where a clean batch may fall as far.

    A label that follows in every window, and in the batch no more than shuffled labels do, is a fault although windows
    vary. A batch is a file, so it averages as many windows, half of them independent. noise, own: as in `_deviation`.
    deviations: between windows, by which a clean batch is hardly ever lower.
    """
    fall = float(windows.mean()) - CHANCE_DEVIATIONS * own
    averaged = max(1.0, len(windows) / files / 2)
    between = max(float(windows.var(ddof=1)) - noise, 0.0) / averaged
    return fall if fall > deviations * (between + own**2 + noise / len(windows)) ** 0.5 else None


def _deviation(windows: np.ndarray, noise: float, own: float, floor: float) -> tuple[float, float]:
    """Return the standard deviation of a batch from the mean of the windows, and its degrees of freedom.

    noise: variance of a window's value if nothing but chance moved it. What exceeds it moves batches as well.
    own: standard deviation of the batch's value by chance, lower where it has more rows than a window.
    floor: fraction of the variance that moves batches in any case.

    Chance is no estimate, so where it is most of the variance few windows suffice: the degrees of freedom are those of
    Satterthwaite, 1946.
    """
    variance, count = float(windows.var(ddof=1)), len(windows)
    between = max(variance - noise, floor * variance) * (1 + 1 / count)
    whole = between + own**2 + noise / count
    freedom = (count - 1) * (whole / between) ** 2 if between > 0 else np.inf
    return whole**0.5, min(freedom, FREEDOM_MAX)


def minimum(statistic: str, limits: RelationsSection) -> float:
    """Return the change of a statistic that matters, on its scale."""
    if statistic in ("error", "clock", "steps", "moved"):
        return float(np.log(limits.error_rise))
    return {
        "frozen": float(np.log(LONGER_MIN)),
        "distinct": float(np.log(FEWER_MIN)),
        "new": arcsine(VALUES_RATIO_MIN, 1).value,
        "absent": arcsine(VALUES_RATIO_MIN, 1).value,
        "times": arcsine(TIMES_RATIO_MIN, 1).value,
        "bias": limits.bias,
        "carries": limits.correlation,
        "follows": limits.correlation,
        "uneven": limits.correlation,
        "shape": limits.shape,
        "drift": limits.shape,
    }.get(statistic, limits.fraction)
