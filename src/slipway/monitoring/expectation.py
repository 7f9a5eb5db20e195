"""The expectation of a window: the range of every statistic, learned from windows of the same length in the reference.

Each statistic of a training window is computed like that of a live one: against periods other than its own, and by
forests that were not trained on it. The range over those windows is expected, with some tolerance. A column that swings
with the season may swing, and one that never did may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.batch import profile
from slipway.batch.relations import Relations
from slipway.monitoring.log_columns import PREDICTION
from slipway.monitoring.spans import PREVIOUS_WINDOWS, days_of, windows
from slipway.schema.columns import columns
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

StatisticKey = tuple[str, str]
"""Statistic and column."""
SHAPE, MOVED, RELATION, LEAN = "shape", "moved", "relation", "lean"
ERROR_CAP = 10.0  # mean errors at which an error is clipped: `unknown` covers single outliers
ERROR_ROWS_MAX = 40_000  # reference rows whose errors are computed; more narrow the ranges by under 2%


@dataclass(frozen=True)
class Range:
    """The range of a statistic over the windows of the reference."""

    low: float
    high: float

    def excess(self, value: float, tolerance: float, slack: float) -> float:
        """Return how far `value` lies outside the range, in units of the accepted excess.

        The accepted excess is `tolerance` times the width of the range, plus `slack`. Inside the range the result is
        negative or zero.
        """
        return max(value - self.high, self.low - value) / (tolerance * (self.high - self.low) + slack)


@dataclass(frozen=True)
class Sample:
    """Rows with the codes and errors from which statistics are computed."""

    features: pd.DataFrame
    codes: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]
    """In units of the mean error in the reference; NaN where unknown."""

    def fractions(self, column: profile.ColumnProfile, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the fraction of each bin or category of one column among `rows`."""
        return column.fractions(self.codes[name][rows])


@dataclass(frozen=True)
class Learned:
    """The expensive part of an expectation, which the cache stores; the rest takes a second."""

    forests: Mapping[str, Any]
    scale: np.ndarray
    """Mean absolute error of the forest of each column."""
    ranges: Mapping[StatisticKey, Range]


class Expectation:
    """The expectation of one release for windows of `days`."""

    def __init__(
        self, frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int, learned: Learned | None = None
    ) -> None:
        """Learn the expectation, or restore it from `learned`.

        frame: columns of `Row`, and `TIME_COLUMN` if the problem has one, oldest first.
        predictions: those of the model on `frame`, as `Predictor.predict` documents.
        learned: the attribute `learned` of an expectation with the same other arguments.
        """
        self.days, self._seed = days, seed
        self._kinds: dict[str, str] = {column.name: column.kind for column in columns(problem.Row)}
        features = to_features(frame, problem.Row).reset_index(drop=True)
        whole = features.assign(**prediction_columns(predictions))
        self.profiles = profile.profiles(whole, {str(name): self._kinds.get(str(name), "number") for name in whole})
        self._own = {name: self.profiles[name] for name in self._kinds}
        self._split(frame)
        self._relations = Relations(self._own, learned.forests) if learned else self._forests(features)
        errors = np.empty((len(features), 0)) if learned else self._errors(features)
        self._scale = learned.scale if learned else _scale(errors)
        self.explained = {
            name: _explained(features[name], error) for name, error in zip(self._own, self._scale, strict=True)
        }
        by_column = {} if learned else dict(zip(self._own, self._scaled(errors).T, strict=True))
        self.reference = self._sample(whole, by_column)
        self.windows, self.previous = windows(self._day, days)
        self.periods = {
            name: [self.reference.fractions(column, name, rows) for rows in self._periods]
            for name, column in self.profiles.items()
        }
        self.ranges = learned.ranges if learned else self._ranges()

    @property
    def learned(self) -> Learned:
        """Return what the cache stores and the constructor restores from."""
        return Learned(self._relations.forests, self._scale, self.ranges)

    def measure(self, frame: pd.DataFrame, predictions: np.ndarray, *, errors: bool = True) -> Sample:
        """Return the sample of live rows; `errors` is not needed of rows that drift is only measured from."""
        features = to_features(frame, problem.Row).reset_index(drop=True)
        scaled = self._scaled(self._relations.errors(features)).T if errors else np.empty((0, 0))
        by_column = dict(zip(self._kinds, scaled, strict=errors))
        return self._sample(features.assign(**prediction_columns(predictions)), by_column)

    def statistics(self, sample: Sample) -> dict[StatisticKey, float]:
        """Return the statistics of all rows of `sample`, except drift."""
        rows = np.arange(len(sample.features))
        return self._statistics(sample, rows, self.periods)

    def moved(self, sample: Sample, previous: Sample) -> dict[StatisticKey, float]:
        """Return the distance of each column between `sample` and `previous`."""
        now, before = (np.arange(len(side.features)) for side in (sample, previous))
        return {
            (MOVED, name): column.distance(
                sample.fractions(column, name, now), previous.fractions(column, name, before)
            )
            for name, column in self.profiles.items()
        }

    def recent(self) -> Sample:
        """Return the newest rows of the reference, which stand in for the previous windows of a new deployment."""
        newest = np.concatenate(self.windows[-2 * PREVIOUS_WINDOWS :])  # windows are half a window apart
        return _subset(self.reference, np.unique(newest))

    def _split(self, frame: pd.DataFrame) -> None:
        """Assign each row its day, and each period its rows."""
        self._day = days_of(frame, self.days, self._seed)
        self._period = (self._day // (2 * self.days)).astype(int)
        self._periods = [np.flatnonzero(self._period == period) for period in np.unique(self._period)]
        self._spans = [(self._day[rows].min(), self._day[rows].max()) for rows in self._periods]

    def _forests(self, features: pd.DataFrame) -> Relations:
        return Relations.learn(features, self._own, self._seed)

    def _errors(self, features: pd.DataFrame) -> np.ndarray:
        """Return the errors of sampled rows, by forests that were not trained on their period; NaN for the others."""
        sampled = np.sort(np.random.default_rng(self._seed).permutation(len(features))[:ERROR_ROWS_MAX])
        errors = np.full((len(features), len(self._own)), np.nan)
        for fold in (0, 1):
            others = features[self._period % 2 != fold]
            forests = self._forests(others) if self._period.max() else self._relations
            rows = sampled[self._period[sampled] % 2 == fold]
            errors[rows] = forests.errors(features.iloc[rows])
        return errors

    def _scaled(self, errors: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = np.clip(errors / self._scale, -ERROR_CAP, ERROR_CAP)
        return scaled

    def _sample(self, features: pd.DataFrame, errors: Mapping[str, np.ndarray]) -> Sample:
        return Sample(features, {name: column.codes(features[name]) for name, column in self.profiles.items()}, errors)

    def _ranges(self) -> dict[StatisticKey, Range]:
        series: dict[StatisticKey, list[float]] = {}
        for rows, previous in zip(self.windows, self.previous, strict=True):
            for key, value in self._of_reference(rows, previous).items():
                series.setdefault(key, []).append(value)
        return {key: Range(float(np.nanmin(values)), float(np.nanmax(values))) for key, values in series.items()}

    def _of_reference(self, rows: np.ndarray, previous: np.ndarray) -> dict[StatisticKey, float]:
        """Return the statistics of a reference window, without its own period and its neighbors to resemble."""
        first, last = self._day[rows].min() - 2 * self.days, self._day[rows].max() + 2 * self.days
        others = [place for place, (start, end) in enumerate(self._spans) if end < first or start > last]
        periods = {name: [fractions[place] for place in others] for name, fractions in self.periods.items()}
        statistics = self._statistics(self.reference, rows, periods)
        if len(previous):
            statistics |= self.moved(_subset(self.reference, rows), _subset(self.reference, previous))
        return statistics

    def _statistics(
        self, sample: Sample, rows: np.ndarray, periods: Mapping[str, Sequence[np.ndarray]]
    ) -> dict[StatisticKey, float]:
        statistics: dict[StatisticKey, float] = {}
        for name, column in self.profiles.items():
            indicators = column.indicators(sample.features[name].iloc[rows], sample.codes[name][rows])
            statistics |= {(indicator, name): value for indicator, value in indicators.items()}
            statistics[SHAPE, name] = profile.nearest(column, sample.fractions(column, name, rows), periods[name])
        for name, errors in sample.errors.items():
            defined = errors[rows][~np.isnan(errors[rows])]
            if len(defined):
                statistics[RELATION, name] = float(np.abs(defined).mean())
                statistics[LEAN, name] = float(defined.mean())
        return statistics


def _scale(errors: np.ndarray) -> np.ndarray:
    mean = np.nanmean(np.abs(errors), axis=0)
    return np.where(np.isnan(mean) | (mean == 0), 1.0, mean)


def _explained(values: pd.Series, error: float) -> float:
    """Return the fraction of a number's spread that the other columns predict; 0 for a category."""
    if values.dtype == object or values.notna().sum() == 0 or not pd.api.types.is_numeric_dtype(values):
        return 0.0
    spread = float((values - values.median()).abs().mean())
    return 1 - error / spread if spread else 0.0


def prediction_columns(predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Return predictions as named columns: a single one, or one per class."""
    if predictions.ndim == 1:
        return {PREDICTION: predictions}
    return {f"{PREDICTION} {place}": column for place, column in enumerate(predictions.T)}


def _subset(sample: Sample, rows: np.ndarray) -> Sample:
    codes = {name: values[rows] for name, values in sample.codes.items()}
    errors = {name: values[rows] for name, values in sample.errors.items()}
    return Sample(sample.features.iloc[rows], codes, errors)
