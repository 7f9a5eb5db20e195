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
from slipway.monitoring.spans import BEFORE, days_of, windows
from slipway.schema import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key = tuple[str, str]
"""Statistic and column."""
SHAPE, MOVED, RELATION, LEAN = "shape", "moved", "relation", "lean"
PREDICTION = "prediction"
CAP = 10.0  # mean errors beyond which one counts no more: single wild values are for `unknown`
ERRORS = 40_000  # rows of the reference of which errors are known; more narrow the ranges by under 2%


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


@dataclass(frozen=True)
class Learned:
    """What takes long to learn of a reference: all but a second of it."""

    forests: Mapping[str, object]
    scale: np.ndarray
    """Mean error of the forest of each column."""
    ranges: Mapping[Key, Range]


class Expectation:
    """Of one release, for windows of `days`."""

    def __init__(
        self, frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int, learned: Learned | None = None
    ) -> None:
        """frame: columns of `Row`, and `TIME_COLUMN` if there is one, oldest first; predictions as a model returns.

        learned: `learned` of an expectation of the very same.
        """
        self.days, self._seed = days, seed
        self._inputs = {column.name: column.kind for column in columns(problem.Row)}
        features = to_features(frame, problem.Row).reset_index(drop=True)
        whole = features.assign(**prediction_columns(predictions))
        kinds = {name: self._inputs.get(name, "number") for name in whole}
        self.rulers = profile.rulers(whole, kinds)
        self._own = {name: self.rulers[name] for name in self._inputs}
        self._part(frame)
        self._relations = Relations(self._own, learned.forests) if learned else self._forests(features)
        errors = np.empty((len(features), 0)) if learned else self._errors(features)
        self._scale = learned.scale if learned else _scale(errors)
        self.told = {name: _told(features[name], mean) for name, mean in zip(self._own, self._scale, strict=True)}
        named = {} if learned else dict(zip(self._own, self._scaled(errors).T, strict=True))
        self.reference = self._sampled(whole, named)
        self.windows, self.before = windows(self._day, days)
        self.periods = {
            name: [self.reference.shares(ruler, name, rows) for rows in self._periods]
            for name, ruler in self.rulers.items()
        }
        self.ranges = learned.ranges if learned else self._ranges()

    @property
    def learned(self) -> Learned:
        """To be kept, and given to the next."""
        return Learned(self._relations.forests, self._scale, self.ranges)

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

    def _part(self, frame: pd.DataFrame) -> None:
        """Give each row its day, and each period its rows."""
        self._day = days_of(frame, self.days, self._seed)
        self._period = (self._day // (2 * self.days)).astype(int)
        self._periods = [np.flatnonzero(self._period == one) for one in np.unique(self._period)]
        self._spans = [(self._day[rows].min(), self._day[rows].max()) for rows in self._periods]

    def _forests(self, features: pd.DataFrame) -> Relations:
        return Relations.learn(features, self._own, self._seed)

    def _errors(self, features: pd.DataFrame) -> np.ndarray:
        """Of some rows, by forests that did not see their period; NaN of the others."""
        known = np.sort(np.random.default_rng(self._seed).permutation(len(features))[:ERRORS])
        errors = np.full((len(features), len(self._own)), np.nan)
        for fold in (0, 1):
            others = features[self._period % 2 != fold]
            forests = self._forests(others) if self._period.max() else self._relations
            asked = known[self._period[known] % 2 == fold]
            errors[asked] = forests.errors(features.iloc[asked])
        return errors

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


def _scale(errors: np.ndarray) -> np.ndarray:
    mean = np.nanmean(np.abs(errors), axis=0)
    return np.where(np.isnan(mean) | (mean == 0), 1.0, mean)


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
