"""What is to be expected of a window, learned from windows of the same length in the reference.

Every statistic is taken of each window of the training data as it will be of a live one: against periods other than its
own, and by forests that did not see it. The range of what was found there is expected, with some room beyond. So a
column that swings with the season may swing, and one that never did may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.features import to_features
from slipway.monitoring import profile
from slipway.monitoring.relations import Relations
from slipway.schema import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key = tuple[str, str]
"""Statistic and column."""
SHAPE, MOVED, RELATION, LEAN = "shape", "moved", "relation", "lean"
PREDICTION = "prediction"
CHUNKS = 20  # parts that rows without a time are dealt into, as if each were a period
CAP = 10.0  # mean errors beyond which one counts no more: single wild values are for `unknown`
ERRORS = 40_000  # rows of the reference of which errors are known; more narrow the ranges by under 2%
WINDOWS = 80  # of the reference that are measured at most, evenly spread; all of the sample's weeks and half weeks
BEFORE = 4  # windows before one, against which it has moved


@dataclass(frozen=True)
class Range:
    """Of a statistic over the windows of the reference."""

    low: float
    high: float

    def excess(self, value: float, room: float, slack: float) -> float:
        """How far `value` lies beyond: 1 is as far as is allowed, `room` times the width and `slack`."""
        return max(value - self.high, self.low - value) / (room * (self.high - self.low) + slack)


@dataclass(frozen=True)
class Sample:
    """Rows ready to be measured."""

    features: pd.DataFrame
    codes: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]
    """In mean errors of the reference; NaN where not known."""

    def shares(self, ruler: profile.Ruler, name: str, rows: np.ndarray) -> np.ndarray:
        """Of one column, among some rows."""
        return ruler.shares(self.codes[name][rows])


class Expectation:
    """Of one release, for windows of `days`."""

    def __init__(self, frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int) -> None:
        """frame: columns of `Row`, and `TIME_COLUMN` if there is one, oldest first; predictions as a model returns."""
        self.days, self._seed = days, seed
        self._inputs = {column.name: column.kind for column in columns(problem.Row)}
        features = to_features(frame, problem.Row).reset_index(drop=True)
        whole = features.assign(**prediction_columns(predictions))
        kinds = {name: self._inputs.get(name, "number") for name in whole}
        self.rulers = profile.rulers(whole, kinds)
        self._learn(features, frame)
        self.reference = self._sampled(whole, self._errors_of_reference)
        self.windows, self.before = _windows(self._day, days)
        self.periods = {
            name: [self.reference.shares(ruler, name, rows) for rows in self._periods]
            for name, ruler in self.rulers.items()
        }
        self.ranges = self._ranges()

    def measure(self, frame: pd.DataFrame, predictions: np.ndarray, *, errors: bool = True) -> Sample:
        """Live rows, ready to be measured; without `errors`, ready to be moved from."""
        features = to_features(frame, problem.Row).reset_index(drop=True)
        found = self._scaled(self._relations.errors(features)).T if errors else np.empty((0, 0))
        named = dict(zip(self._inputs, found, strict=errors))
        return self._sampled(features.assign(**prediction_columns(predictions)), named)

    def statistics(self, sample: Sample) -> dict[Key, float]:
        """Of all rows of `sample`."""
        rows = np.arange(len(sample.features))
        return self._statistics(sample, rows, self.periods)

    def moved(self, sample: Sample, before: Sample) -> dict[Key, float]:
        """How far each column has moved from `before`."""
        every = {name: np.arange(len(side.features)) for name, side in (("now", sample), ("before", before))}
        return {
            (MOVED, name): ruler.distance(
                sample.shares(ruler, name, every["now"]), before.shares(ruler, name, every["before"])
            )
            for name, ruler in self.rulers.items()
        }

    def recent(self) -> Sample:
        """The newest rows of the reference, as many days as are compared: what was before where nothing is live yet."""
        newest = np.concatenate(self.windows[-2 * BEFORE :])  # they are half a window apart
        return _taken(self.reference, np.unique(newest))

    def _learn(self, features: pd.DataFrame, frame: pd.DataFrame) -> None:
        self._day = _days(frame) if problem.TIME_COLUMN else _dealt(len(frame), self.days, self._seed)
        own = {name: self.rulers[name] for name in self._inputs}
        self._relations = Relations.learn(features, own, self._seed)
        period = (self._day // (2 * self.days)).astype(int)
        self._periods = [np.flatnonzero(period == one) for one in np.unique(period)]
        self._spans = [(self._day[rows].min(), self._day[rows].max()) for rows in self._periods]
        known = np.sort(np.random.default_rng(self._seed).permutation(len(features))[:ERRORS])
        errors = np.full((len(features), len(own)), np.nan)
        for fold in (0, 1):
            forests = (
                Relations.learn(features[period % 2 != fold], own, self._seed) if period.max() else self._relations
            )
            asked = known[period[known] % 2 == fold]
            errors[asked] = forests.errors(features.iloc[asked])
        mean = np.nanmean(np.abs(errors), axis=0)
        self._scale = np.where(np.isnan(mean) | (mean == 0), 1.0, mean)
        self.told = {name: _told(features[name], scale) for name, scale in zip(own, self._scale, strict=True)}
        self._errors_of_reference = dict(zip(own, self._scaled(errors).T, strict=True))

    def _scaled(self, errors: np.ndarray) -> np.ndarray:
        return np.clip(errors / self._scale, -CAP, CAP)

    def _sampled(self, features: pd.DataFrame, errors: Mapping[str, np.ndarray]) -> Sample:
        return Sample(features, {name: ruler.codes(features[name]) for name, ruler in self.rulers.items()}, errors)

    def _ranges(self) -> dict[Key, Range]:
        found: dict[Key, list[float]] = {}
        for rows, before in zip(self.windows, self.before, strict=True):
            for key, value in self._of_reference(rows, before).items():
                found.setdefault(key, []).append(value)
        return {key: Range(float(np.nanmin(values)), float(np.nanmax(values))) for key, values in found.items()}

    def _of_reference(self, rows: np.ndarray, before: np.ndarray) -> dict[Key, float]:
        """Statistics of a window of the reference: its own period and its neighbours are not there to be like."""
        first, last = self._day[rows].min() - 2 * self.days, self._day[rows].max() + 2 * self.days
        others = [place for place, (start, end) in enumerate(self._spans) if end < first or start > last]
        periods = {name: [shares[place] for place in others] for name, shares in self.periods.items()}
        found = self._statistics(self.reference, rows, periods)
        if len(before):
            found |= self.moved(_taken(self.reference, rows), _taken(self.reference, before))
        return found

    def _statistics(
        self, sample: Sample, rows: np.ndarray, periods: Mapping[str, Sequence[np.ndarray]]
    ) -> dict[Key, float]:
        found: dict[Key, float] = {}
        for name, ruler in self.rulers.items():
            signs = ruler.signs(sample.features[name].iloc[rows], sample.codes[name][rows])
            found |= {(sign, name): value for sign, value in signs.items()}
            found[SHAPE, name] = profile.nearest(ruler, sample.shares(ruler, name, rows), periods[name])
        for name, errors in sample.errors.items():
            known = errors[rows][~np.isnan(errors[rows])]
            if len(known):
                found[RELATION, name] = float(np.abs(known).mean())
                found[LEAN, name] = float(known.mean())
        return found


def _told(values: pd.Series, error: float) -> float:
    """Share of a number's spread that the other columns foretell; 0 for a category."""
    if values.dtype == object or values.notna().sum() == 0 or not pd.api.types.is_numeric_dtype(values):
        return 0.0
    spread = float((values - values.median()).abs().mean())
    return 1 - error / spread if spread else 0.0


def prediction_columns(predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions as columns: one, or one for each class."""
    if predictions.ndim == 1:
        return {PREDICTION: predictions}
    return {f"{PREDICTION} {place}": column for place, column in enumerate(predictions.T)}


def _taken(sample: Sample, rows: np.ndarray) -> Sample:
    codes = {name: values[rows] for name, values in sample.codes.items()}
    errors = {name: values[rows] for name, values in sample.errors.items()}
    return Sample(sample.features.iloc[rows], codes, errors)


def _days(frame: pd.DataFrame) -> np.ndarray:
    time = frame[problem.TIME_COLUMN]
    return ((time - time.min()).dt.total_seconds() / 86_400).to_numpy()


def _dealt(rows: int, days: float, seed: int) -> np.ndarray:
    """Days for rows of which nobody knows the time: dealt evenly, so that a window is a random part of them."""
    order = np.random.default_rng(seed).permutation(rows)
    return order * (CHUNKS * days / rows)


def _windows(day: np.ndarray, days: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rows of each window, half a window apart or more, and of the time before each; empty where not all is there."""
    starts = np.arange(0, max(day.max() - days, 0) + days / 1e6, days / 2)
    starts = starts[np.unique(np.linspace(0, len(starts) - 1, WINDOWS).astype(int))]
    windows = [np.flatnonzero((day >= start) & (day < start + days)) for start in starts]
    before = [
        np.flatnonzero((day >= start - BEFORE * days) & (day < start)) if start >= BEFORE * days else np.array([], int)
        for start in starts
    ]
    kept = [place for place, rows in enumerate(windows) if len(rows)]
    return [windows[place] for place in kept], [before[place] for place in kept]
