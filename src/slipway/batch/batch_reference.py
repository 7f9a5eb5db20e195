"""What windows of a reference state about a batch: a prediction interval of each statistic for one more window.

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

import problem
from slipway.batch import profile
from slipway.batch.batch_rows import kinds
from slipway.batch.batch_statistics import (
    ERROR_CAP,
    OUTLIER_QUANTILE,
    STEP_DISTANCE,
    Scales,
    StatisticKey,
    Value,
    arcsine,
    fraction_of,
    row_hashes,
    statistics,
)
from slipway.batch.column_models import FOLDS, ColumnModels, Measured, partners
from slipway.batch.window_values import WindowValues

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import pandas as pd

    from slipway.batch.batch_rows import BatchRows
    from slipway.settings.data_checks import RelationsSection

WINDOW_ROWS_MIN = 50
WINDOWS_MIN = 4
BETWEEN_RATIO_MIN = 0.5  # of the variance of windows; moves batches as well, since chance may be estimated too high
ERROR_RATIO_MIN = 0.02  # of a number's spread; a smaller mean error is rounding, or rows of a rare category
CLOCK_EXPLAINED_MIN = 0.8  # of a number's spread; the clock determines the column, up to daylight saving
RUN_LENGTHS = (2, 4, 8, 16)  # windows that a batch may span
SEASON_ERROR_MAX = 0.2  # of a number's spread; mean error of a column that follows closely from the others
SEASON_RISE_MAX = 3.0  # mean errors of the reference; a new season reaches them, a change of unit exceeds them
COPY_CORRELATION = float(np.arctanh(0.98))  # with the label; a column that reaches it is the label under another name
CHANCE_DEVIATIONS = 3.0  # of the estimate of a correlation, up to which chance explains it
CLEAN_DEVIATIONS = 3.0  # between windows, by which a clean batch is lower once in 200
ABSENT_RATIO = 0.1  # of the rows that windows let expect of a bin or category, below which it is absent
END_QUANTILE = 0.005  # of the reference's numbers, beyond which it has hardly any
LONGER_MIN = 2.0  # factor of the longest run of rows with equal values
FEWER_MIN = 1.5  # factor of the number of distinct values; a loss of one of two matters, of one of three not
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
SEASONAL = frozenset({"shape", "absent"})
"""Statistics that a new season moves, where the column still follows from the others."""


WIDENED = {
    **dict.fromkeys(("error", "outliers", "bias", "moved", "steps", "frozen", "new", "distinct"), 1),
    **dict.fromkeys(("shape", "absent"), 2),
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


class BatchReference:
    """The reference of batches, learned once for any number of them."""

    def __init__(self, rows: BatchRows, limits: RelationsSection, seed: int, files: int) -> None:
        """Learn from `rows` of so many `files`: in order of time, or where there is none, in random order."""
        self._limits, self._seed = limits, seed
        self._files = max(files, 1)
        self.rows = rows
        self.profiles = profile.profiles(rows.features, kinds())
        self.others = partners(self._drawn(np.arange(len(rows))), self.profiles, limits.partners)
        count = min(limits.windows, len(rows) // WINDOW_ROWS_MIN)
        self.window = np.arange(len(rows)) * count // max(len(rows), 1)
        self.windows_count = count
        self._hashes = row_hashes(rows)
        self._fold = np.arange(len(rows)) * FOLDS // max(len(rows), 1)
        self._folds = [self._fit(np.flatnonzero(self._fold != own)) for own in range(FOLDS)]
        self.measured = self._assigned(rows, self._fold)
        self.scales = self._scales()
        self._values = {
            name: WindowValues.of(self.rows.features[name].to_numpy(), self.window, count)
            for name, column in self.profiles.items()
            if column.kind == "number"
        }
        places = [np.flatnonzero(self.window == window) for window in range(count)]
        self.shapes = [self._shape(self.measured.take(chosen)) for chosen in places]
        self.series = self._series(places)

    def _drawn(self, places: np.ndarray) -> BatchRows:
        drawn = np.random.default_rng(self._seed).permutation(len(places))[: self._limits.fit_rows]
        return self.rows.take(places[np.sort(drawn)])

    def _fit(self, places: np.ndarray) -> ColumnModels:
        return ColumnModels.fit(self._drawn(places), self.profiles, self.others, self._seed)

    @property
    def models(self) -> ColumnModels:
        """The models of the last rows of the reference, which show what a column relies on."""
        return self._folds[0]

    def measure(self, rows: BatchRows) -> Measured:
        """Return the errors of a batch, each row by the models of one fold in turn.

        The reference's own errors are those of models of as many rows, so the two compare.
        """
        return self._assigned(rows, np.arange(len(rows)) % FOLDS)

    def _assigned(self, rows: BatchRows, fold: np.ndarray) -> Measured:
        """Return the errors of each row by the models without the fold that it is assigned to."""
        places = [np.flatnonzero(fold == own) for own in range(FOLDS)]
        parts = [models.measure(rows.take(chosen)) for models, chosen in zip(self._folds, places, strict=True)]
        return Measured.joined(rows, parts, places)

    def _scales(self) -> Scales:
        absolute = np.abs(self.measured.errors)
        spread = np.array([self._spread(name) for name in self.profiles])
        observed = np.nan_to_num(np.array([_mean(column) for column in absolute.T]), nan=1.0)
        error = np.maximum(observed, ERROR_RATIO_MIN * spread) + 1e-12
        outlier = np.array([_quantile(column) for column in (absolute / error).T])
        clock = np.array([_mean(column) for column in np.abs(self.measured.clock_errors).T])
        clock[~(clock < (1 - CLOCK_EXPLAINED_MIN) * spread)] = np.nan
        step = np.array([self._step(name) for name in self.profiles])
        by_clock = clock <= np.maximum(observed, ERROR_RATIO_MIN * spread)
        ends = np.column_stack([self._ends(name) for name in self.profiles])
        return Scales(error, 1 - observed / error, outlier, step, clock + 1e-3 * spread, by_clock, ends)

    def _ends(self, name: str) -> np.ndarray:
        if self.profiles[name].kind != "number":
            return np.full(2, np.nan)
        values = self.rows.features[name].dropna().to_numpy(dtype=float)
        return np.quantile(values, [END_QUANTILE, 1 - END_QUANTILE]) if len(values) else np.full(2, np.nan)

    def _spread(self, name: str) -> float:
        values = self.rows.features[name]
        return float(np.nanstd(values.to_numpy(dtype=float))) if self.profiles[name].kind == "number" else 1.0

    def _step(self, name: str) -> float:
        if self.profiles[name].kind != "number" or not self.rows.neighbors:
            return float("nan")
        values = self.rows.features[name].to_numpy(dtype=float)
        return _mean(np.abs(values - self.rows.neighbors[STEP_DISTANCE][name].to_numpy(dtype=float)))

    def _shape(self, measured: Measured) -> dict[str, np.ndarray]:
        columns = zip(self.profiles.items(), measured.codes.T, strict=True)
        return {name: column.fractions(codes) for (name, column), codes in columns}

    def _series(self, places: list[np.ndarray]) -> dict[StatisticKey, list[Value]]:
        series: dict[StatisticKey, list[Value]] = {}
        for window, chosen in enumerate(places):
            measured = self.measured.take(chosen)
            near = {window - 1, window, window + 1}
            others = [shape for other, shape in enumerate(self.shapes) if other not in near]
            elsewhere = self._hashes[~np.isin(self.window, list(near))]
            repeats = fraction_of(np.isin(self._hashes[chosen], elsewhere))
            compared = self._compared(measured, [*others, *_runs(others, len(others))], repeats, near)
            for key, value in (statistics(measured, self.scales, self.profiles) | compared).items():
                series.setdefault(key, []).append(value)
        return series

    def _compared(
        self,
        measured: Measured,
        others: list[dict[str, np.ndarray]],
        repeats: Value,
        without: Container[int] = (),
    ) -> dict[StatisticKey, Value]:
        """Return the statistics that compare rows with windows, of the shapes `others`, and the fraction of `repeats`.

        without: windows whose values count as new.
        """
        now, count = self._shape(measured), len(measured.rows)
        values = {StatisticKey("repeats", problem.TARGET): repeats}
        for name, column in self.profiles.items():
            shapes = [other[name] for other in others]
            nearest = profile.nearest(column, now[name], shapes)
            values[StatisticKey("shape", name)] = Value(nearest, count**-0.5)
            if shapes:
                values[StatisticKey("absent", name)] = arcsine(_absent(now[name], np.mean(shapes, axis=0)), count)
            if count >= self.window_rows:
                values[StatisticKey("distinct", name)] = Value(self._distinct(measured.rows.features[name]), 0.0)
        for name, reference in self._values.items():
            numbers = measured.rows.features[name].to_numpy()
            values[StatisticKey("new", name)] = arcsine(reference.new_ratio(numbers, without), count)
        return values

    @property
    def window_rows(self) -> int:
        """Number of rows that every window has."""
        return len(self.rows) // max(self.windows_count, 1)

    def _distinct(self, values: pd.Series) -> float:
        """Return the logarithm of the number of distinct values among as many rows as a window has."""
        if len(values) > self.window_rows + 1:
            values = values.iloc[np.arange(self.window_rows) * len(values) // self.window_rows]
        return float(np.log(max(values.nunique(), 1)))

    def statistics(self, measured: Measured) -> dict[StatisticKey, Value]:
        """Return the statistics of a batch."""
        runs = [run for length in RUN_LENGTHS for run in _runs(self.shapes, length)]
        return statistics(measured, self.scales, self.profiles) | self._compared(
            measured, [*self.shapes, *runs], fraction_of(np.isin(row_hashes(measured.rows), self._hashes))
        )

    def excesses(self, values: Mapping[StatisticKey, Value]) -> list[Excess]:
        """Return how far each statistic of a batch is outside its interval, worst first; negative scores are inside."""
        judged = {key: value for key, value in values.items() if len(self.series.get(key, ())) >= WINDOWS_MIN}
        rate = self._limits.false_alarms / max(len(judged), 1)
        excesses = [self._excess(key, value, rate) for key, value in judged.items()]
        return sorted(excesses, key=lambda excess: -excess.score)

    def is_season(self, measured: Measured, name: str) -> bool:
        """Return whether the column `name` follows from the others beyond the values of the reference too.

        Then it moved with them, as a new season moves all. Rows count without regard to the support.
        """
        place = list(self.profiles).index(name)
        if self.profiles[name].kind != "number" or self.scales.error[place] > SEASON_ERROR_MAX * self._spread(name):
            return False
        errors = np.abs(measured.rows.features[name].to_numpy(dtype=float) - measured.predictions[:, place])
        rise = _mean(np.clip(errors / self.scales.error[place], 0, ERROR_CAP))
        return rise <= SEASON_RISE_MAX

    def _excess(self, key: StatisticKey, value: Value, rate: float) -> Excess:
        windows = np.array([window.value for window in self.series[key]])
        side = SIDES.get(key.statistic, HIGH)
        quantile = -stdtrit(len(windows) - 1, rate / (2 if side == BOTH else 1))
        noise = float(np.mean([window.noise**2 for window in self.series[key]]))
        floor = 0.0 if key.statistic == "uneven" else BETWEEN_RATIO_MIN
        deviation = _deviation(windows, noise, value.noise, floor) * (1 + WIDENED.get(key.statistic, 0) / self._files)
        mean, width = float(windows.mean()), float(quantile) * deviation
        width += minimum(key.statistic, self._limits)
        if key.statistic == "follows" and (fall := _fall_to_chance(windows, noise, value.noise, self._files)):
            width = min(width, fall)
        if key.statistic == "frozen":
            longer = minimum(key.statistic, self._limits)
            width = max(width - longer, longer, _linear_limit(windows, float(quantile)) - mean)
        if key.statistic == "copies" and mean < COPY_CORRELATION:
            width = min(width, COPY_CORRELATION - mean)
        distance = value.value - mean
        signed = {BOTH: abs(distance), HIGH: distance, LOW: -distance}[side]
        return Excess(key, value.value, mean, mean + (width if distance > 0 else -width), signed / width)


def _runs(shapes: list[dict[str, np.ndarray]], length: int) -> list[dict[str, np.ndarray]]:
    """Return the mean shape of each run of `length` windows: a batch may last longer than a window."""
    runs = [shapes[start : start + length] for start in range(len(shapes) - length + 1)] if length else []
    return [{name: np.mean([shape[name] for shape in run], axis=0) for name in run[0]} for run in runs]


def _linear_limit(windows: np.ndarray, quantile: float) -> float:
    """Return the logarithm of the upper limit that logarithms have on the scale of their numbers."""
    numbers = np.exp(windows)
    return float(np.log(numbers.mean() + quantile * numbers.std(ddof=1)))


def _absent(now: np.ndarray, expected: np.ndarray) -> float:
    """Return the fraction of the expected rows whose bin or category the batch has not, or hardly."""
    return float(expected[now < ABSENT_RATIO * expected].sum())


def _fall_to_chance(windows: np.ndarray, noise: float, own: float, files: int) -> float | None:
    """Return the fall of a correlation to what chance reaches; None where a clean batch may fall as far.

    A label that follows in every window, and in the batch no more than shuffled labels do, is a fault although windows
    vary. A batch is a file, so it averages as many windows, half of them independent. noise, own: as in `_deviation`.
    """
    fall = float(windows.mean()) - CHANCE_DEVIATIONS * own
    averaged = max(1.0, len(windows) / files / 2)
    between = max(float(windows.var(ddof=1)) - noise, 0.0) / averaged
    return fall if fall > CLEAN_DEVIATIONS * (between + own**2 + noise / len(windows)) ** 0.5 else None


def _deviation(windows: np.ndarray, noise: float, own: float, floor: float) -> float:
    """Return the standard deviation of a batch from the mean of the windows.

    noise: variance of a window's value if nothing but chance moved it. What exceeds it moves batches as well.
    own: standard deviation of the batch's value by chance, lower where it has more rows than a window.
    floor: fraction of the variance that moves batches in any case.
    """
    variance = float(windows.var(ddof=1))
    between = max(variance - noise, floor * variance)
    deviation: float = (between * (1 + 1 / len(windows)) + own**2 + noise / len(windows)) ** 0.5
    return deviation


def minimum(statistic: str, limits: RelationsSection) -> float:
    """Return the change of a statistic that matters, on its scale."""
    if statistic in ("error", "clock", "steps", "moved"):
        return float(np.log(limits.error_rise))
    return {
        "frozen": float(np.log(LONGER_MIN)),
        "distinct": float(np.log(FEWER_MIN)),
        "new": arcsine(VALUES_RATIO_MIN, 1).value,
        "absent": arcsine(VALUES_RATIO_MIN, 1).value,
        "bias": limits.bias,
        "carries": limits.correlation,
        "follows": limits.correlation,
        "uneven": limits.correlation,
        "shape": limits.shape,
    }.get(statistic, limits.fraction)


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _quantile(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.quantile(defined, OUTLIER_QUANTILE)) if len(defined) else float("nan")
