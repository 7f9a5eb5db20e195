"""What windows of a reference state about a batch: the values of each statistic, one for each window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch import interval, profile
from slipway.batch.batch_rows import CLOCK_COLUMNS, DAY_MINUTES
from slipway.batch.batch_statistics import OUTLIER_QUANTILE, STEP_DISTANCE, Scales, statistics
from slipway.batch.column_models import CLOCK_SHIFTS, FOLDS, ColumnModels, Measured, partners
from slipway.batch.label_statistics import row_hashes
from slipway.batch.statistic_values import ERROR_CAP, StatisticKey, Value, arcsine, fraction_of
from slipway.batch.window_values import WindowValues
from slipway.schema.missing import are_missing

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import pandas as pd

    from slipway.batch.batch_rows import BatchRows
    from slipway.batch.interval import Excess
    from slipway.settings.data_checks import RelationsSection

WINDOW_ROWS_MIN = 50
ERROR_RATIO_MIN = 0.02  # of a number's spread; a smaller mean error is rounding, or rows of a rare category
CLOCK_EXPLAINED_MIN = 0.8  # of a number's spread; the clock determines the column, up to daylight saving
RUN_LENGTHS = (2, 4, 8, 16)  # windows that a batch may span
SEASON_ERROR_MAX = 0.2  # of a number's spread; mean error of a column that follows closely from the others
SEASON_RISE_MAX = 3.0  # mean errors of the reference; a new season reaches them, a change of unit exceeds them
ABSENT_RATIO = 0.1  # of the rows that windows let expect of a bin or category, below which it is absent
END_QUANTILE = 0.005  # of the reference's numbers, beyond which it has hardly any
SEASONAL = frozenset({"shape", "absent"})
"""Statistics that a new season moves, where the column still follows from the others."""


class BatchReference:
    """The reference of batches, learned once for any number of them."""

    def __init__(
        self, rows: BatchRows, limits: RelationsSection, seed: int, files: int, window: np.ndarray | None = None
    ) -> None:
        """Learn from `rows` of so many `files`: in order of time, or where there is none, in random order.

        window: number of the window of each row, from 0 in order of time, and -1 for none; by default, `limits.windows`
        parts of equal size.
        """
        self._limits, self._seed = limits, seed
        self._files = max(files, 1)
        self.rows = rows
        self.profiles = profile.profiles(rows.features, rows.kinds)
        self.others = partners(self._drawn(np.arange(len(rows))), self.profiles, limits.partners)
        self.window = self._parts() if window is None else window
        self.places = [np.flatnonzero(self.window == number) for number in range(self.window.max(initial=-1) + 1)]
        self._hashes = row_hashes(rows)
        self._fold = np.arange(len(rows)) * FOLDS // max(len(rows), 1)
        self._folds = [self._fit(np.flatnonzero(self._fold != own)) for own in range(FOLDS)]
        self.measured = self._assigned(rows, self._fold)
        self.scales = self._scales()
        inside = self.window >= 0
        self._values = {
            name: WindowValues.of(self.rows.features[name].to_numpy()[inside], self.window[inside], len(self.places))
            for name, column in self.profiles.items()
            if column.kind == "number"
        }
        own = np.where(inside, self.window, len(self.places))
        self._categories = {
            name: WindowValues.of(_strings(self.rows, name), own, len(self.places) + 1)
            for name, column in self.profiles.items()
            if column.kind == "category"
        }
        self._times = self._times_of_day()
        self.shapes = [self._shape(self.measured.take(chosen)) for chosen in self.places]
        self._run_shapes = [run for length in RUN_LENGTHS for run in _runs(self.shapes, length)]
        self.series = self._series()

    def _parts(self) -> np.ndarray:
        """Return the number of the window of each row, for windows of equally many rows."""
        count = min(self._limits.windows, len(self.rows) // WINDOW_ROWS_MIN)
        return np.arange(len(self.rows)) * count // max(len(self.rows), 1)

    def _drawn(self, places: np.ndarray) -> BatchRows:
        drawn = np.random.default_rng(self._seed).permutation(len(places))[: self._limits.fit_rows]
        return self.rows.take(places[np.sort(drawn)])

    def _fit(self, places: np.ndarray) -> ColumnModels:
        return ColumnModels.fit(self._drawn(places), self.profiles, self.others, self._seed)

    @property
    def models(self) -> ColumnModels:
        """The models of the last rows of the reference, which show what a column relies on."""
        return self._folds[0]

    def partners(self, name: str) -> list[str]:
        """Return the two columns that the model of the column `name` relies on most, the first most."""
        if name not in self.profiles:
            return []
        names = [*self.profiles, *CLOCK_COLUMNS]
        closest = self.models.closest[list(self.profiles).index(name)]
        return [names[place] for place in dict.fromkeys(closest.tolist())]

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

    def _times_of_day(self) -> WindowValues | None:
        """Return the times of day of the windows, in minutes; None without a clock."""
        inside = self.window >= 0
        if self.rows.minutes is None:
            return None
        return WindowValues.of((self.rows.minutes % DAY_MINUTES)[inside], self.window[inside], len(self.places))

    def _ends(self, name: str) -> np.ndarray:
        if self.profiles[name].kind != "number":
            return np.full(2, np.nan)
        values = self.rows.features[name].dropna().to_numpy(dtype=float)
        return np.quantile(values, [END_QUANTILE, 1 - END_QUANTILE]) if len(values) else np.full(2, np.nan)

    def _spread(self, name: str) -> float:
        if self.profiles[name].kind != "number":
            return 1.0
        values = self.rows.features[name].dropna().to_numpy(dtype=float)
        return float(values.std()) if len(values) else 0.0

    def _step(self, name: str) -> float:
        if self.profiles[name].kind != "number" or not self.rows.neighbors:
            return float("nan")
        values = self.rows.features[name].to_numpy(dtype=float)
        return _mean(np.abs(values - self.rows.neighbors[STEP_DISTANCE][name].to_numpy(dtype=float)))

    def _shape(self, measured: Measured) -> dict[str, np.ndarray]:
        columns = zip(self.profiles.items(), measured.codes.T, strict=True)
        return {name: column.fractions(codes) for (name, column), codes in columns}

    def _series(self) -> dict[StatisticKey, list[Value]]:
        series: dict[StatisticKey, list[Value]] = {}
        for window, chosen in enumerate(self.places):
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
        values = {StatisticKey("repeats", problem.TARGET): repeats} if problem.TARGET in self.profiles else {}
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
        for name, categories in self._categories.items():
            lacking = categories.lacking_ratio(_strings(measured.rows, name), without=without)
            values[StatisticKey("unknown", name)] = arcsine(lacking, count)
        if self._times and measured.rows.minutes is not None:
            variants = [(measured.rows.minutes + shift) % DAY_MINUTES for shift in CLOCK_SHIFTS]
            lacking = self._times.lacking_ratio(*variants, without=without)
            values[StatisticKey("times", str(problem.TIME_COLUMN))] = arcsine(lacking, count)
        return values

    @property
    def window_rows(self) -> int:
        """Number of rows that every window has."""
        return min(map(len, self.places), default=0)

    def _distinct(self, values: pd.Series) -> float:
        """Return the logarithm of the number of distinct values among as many rows as a window has."""
        if len(values) > self.window_rows + 1:
            values = values.iloc[np.arange(self.window_rows) * len(values) // self.window_rows]
        return float(np.log(max(values.nunique(), 1)))

    def statistics(self, measured: Measured) -> dict[StatisticKey, Value]:
        """Return the statistics of a batch."""
        repeats = fraction_of(np.isin(row_hashes(measured.rows), self._hashes))
        compared = self._compared(measured, [*self.shapes, *self._run_shapes], repeats)
        return statistics(measured, self.scales, self.profiles) | compared

    def excesses(self, values: Mapping[StatisticKey, Value]) -> list[Excess]:
        """Return how far each statistic of a batch is outside its interval, worst first."""
        return interval.excesses(values, self.series, self._limits, self._files)

    def explained(self, name: str) -> float:
        """Return the fraction of a number's spread that the other columns predict."""
        spread = self._spread(name)
        return float(1 - self.scales.error[list(self.profiles).index(name)] / spread) if spread else 0.0

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


def _strings(rows: BatchRows, name: str) -> np.ndarray:
    """Return the categories of a column, with None for missing ones."""
    values = rows.features[name]
    strings: np.ndarray = values.astype(object).where(~are_missing(values, "category"), None).to_numpy()
    return strings


def _runs(shapes: list[dict[str, np.ndarray]], length: int) -> list[dict[str, np.ndarray]]:
    """Return the mean shape of each run of `length` windows: a batch may last longer than a window."""
    runs = [shapes[start : start + length] for start in range(len(shapes) - length + 1)] if length else []
    return [{name: np.mean([shape[name] for shape in run], axis=0) for name in run[0]} for run in runs]


def _absent(now: np.ndarray, expected: np.ndarray) -> float:
    """Return the fraction of the expected rows whose bin or category the batch has not, or hardly."""
    return float(expected[now < ABSENT_RATIO * expected].sum())


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _quantile(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.quantile(defined, OUTLIER_QUANTILE)) if len(defined) else float("nan")
