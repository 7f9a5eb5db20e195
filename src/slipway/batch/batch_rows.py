"""The rows of a batch as arrays: each column with its target, the clock, and the values of neighboring rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.batch.relations import encoded
from slipway.schema.columns import columns
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.batch.profile import ColumnProfile

DAY_MINUTES = 1440
CLOCK_COLUMNS = ("time of day", "day of week")


@dataclass(frozen=True)
class BatchRows:
    """Sampled rows of a batch, in the order of the batch; n rows and c columns.

    Columns are those of `Row`, the target if its labels are known, and the predictions of a model if there are any.
    """

    features: pd.DataFrame
    """Shape (n, c): numbers as float32, categories as strings."""
    minutes: np.ndarray | None
    """Minutes since 1970, shape (n,); None without a time column."""
    neighbors: Mapping[int, pd.DataFrame]
    """Numbers in the row that is so many rows further up in the same segment, by distance; empty without time."""
    frozen: pd.DataFrame
    """Rows for which each number of the same segment has had its value; without columns where there is no time."""

    @classmethod
    def of(cls, frame: pd.DataFrame, rows_max: int, distances: Sequence[int], seed: int) -> BatchRows:
        """Sample the rows of `frame`, as `problem.load` returns it: the labeled ones if it has the target.

        A frame without `TIME_COLUMN` has neither clock nor order. Raises nothing on valid rows.
        """
        labeled = frame[frame[problem.TARGET].notna()] if problem.TARGET in frame else frame
        sampler = RowSampler(np.sort(np.random.default_rng(seed).permutation(len(labeled))[:rows_max]), distances)
        sampler.add(labeled)
        return sampler.rows()

    def __len__(self) -> int:
        return len(self.features)

    @property
    def kinds(self) -> dict[str, str]:
        """Return the kind of each column, `number` or `category`."""
        return _kinds(self.features)

    def take(self, places: np.ndarray) -> BatchRows:
        """Return the rows at `places`."""
        neighbors = {
            distance: values.iloc[places].reset_index(drop=True) for distance, values in self.neighbors.items()
        }
        minutes = None if self.minutes is None else self.minutes[places]
        frozen = self.frozen.iloc[places].reset_index(drop=True)
        return BatchRows(self.features.iloc[places].reset_index(drop=True), minutes, neighbors, frozen)

    def assigned(self, name: str, values: np.ndarray | str) -> BatchRows:
        """Return the rows with other values of one column, or with one value of it."""
        return replace(self, features=self.features.assign(**{name: values}))

    def without_time(self) -> BatchRows:
        """Return the rows without clock and order."""
        return BatchRows(self.features, None, {}, self.frozen[[]])

    def codes(self, profiles: Mapping[str, ColumnProfile]) -> np.ndarray:
        """Return the bin or category of each value, shape (n, c), see `ColumnProfile.codes`."""
        return np.column_stack([column.codes(self.features[name]) for name, column in profiles.items()])

    def table(self, profiles: Mapping[str, ColumnProfile], clock_shift: int = 0) -> np.ndarray:
        """Return the columns as floats, then time of day and day of week, `clock_shift` minutes later."""
        table = encoded(self.features, profiles)
        if self.minutes is None:
            return table
        minutes = self.minutes + clock_shift
        clock = np.column_stack([minutes % DAY_MINUTES, minutes // DAY_MINUTES % 7]).astype(np.float32)
        return np.column_stack([table, clock])


@dataclass(frozen=True)
class _Stretch:
    """Consecutive rows, after the last rows of each segment before them; n rows and k numbers."""

    features: pd.DataFrame
    minutes: np.ndarray
    """Shape (n,)."""
    place: np.ndarray
    """Place of each row to sample, -1 for the others; shape (n,)."""
    frozen: np.ndarray
    """How long the numbers of an earlier row have been frozen, 0 for new rows; shape (n, k)."""

    def take(self, places: np.ndarray, frozen: np.ndarray) -> _Stretch:
        """Return the rows at `places`, whose numbers have been frozen for so long."""
        features = self.features.iloc[places].reset_index(drop=True)
        return _Stretch(features, self.minutes[places], self.place[places], frozen)

    def followed_by(self, later: _Stretch) -> _Stretch:
        """Return these rows and `later` ones."""
        return _Stretch(
            pd.concat([self.features, later.features], ignore_index=True),
            np.concatenate([self.minutes, later.minutes]),
            np.concatenate([self.place, later.place]),
            np.concatenate([self.frozen, later.frozen]),
        )


class RowSampler:
    """Samples the rows at `places` of consecutive frames, with the values of their neighbors `distances` further up.

    It holds a frame, and as many rows of each segment before it as a neighbor can be away.
    """

    def __init__(self, places: np.ndarray, distances: Sequence[int]) -> None:
        """Sample the rows at `places`, shape (k,), ascending; they count from 0 over all frames."""
        self._places, self._distances = places, distances
        self._ahead = -min([0, *distances])
        self._span = max(1, self._ahead + max([0, *distances]))  # a frozen number needs the row before
        self._start = 0
        self._tail: _Stretch | None = None
        self._sampled: list[tuple[np.ndarray, BatchRows]] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next rows, as `BatchRows.of` takes them; labeled ones only, if the frame has the target."""
        low, high = np.searchsorted(self._places, [self._start, self._start + len(frame)])
        places, start = self._places[low:high], self._start
        self._start += len(frame)
        if problem.TIME_COLUMN not in frame:
            features = _features(frame.iloc[places - start]).reset_index(drop=True)
            self._sampled.append((places, BatchRows(features, None, {}, pd.DataFrame(index=range(len(places))))))
            return
        features = _features(frame)
        place = np.full(len(frame), -1)
        place[places - start] = places
        frozen = np.zeros((len(frame), len(_numbers(features))), dtype=np.int32)
        stretch = _Stretch(features.reset_index(drop=True), _minutes(frame[problem.TIME_COLUMN]), place, frozen)
        self._sample(self._tail.followed_by(stretch) if self._tail else stretch, ahead=self._ahead)

    def rows(self) -> BatchRows:
        """Return the rows at all places, in their order."""
        if self._tail is not None:
            self._sample(self._tail, ahead=0)
            self._tail = None
        places = np.concatenate([places for places, _ in self._sampled])
        return _joined([rows for _, rows in self._sampled]).take(np.argsort(places))

    def _sample(self, stretch: _Stretch, ahead: int) -> None:
        """Sample the rows that have `ahead` later rows of their segment, and keep the last rows of each segment."""
        order, group = _order(stretch.features)
        at = np.empty(len(order), dtype=int)
        at[order] = np.arange(len(order))
        later = (np.searchsorted(group, group, side="right") - 1 - np.arange(len(group)))[at]
        chosen = np.flatnonzero((stretch.place >= 0) & (later >= ahead))
        kept = np.flatnonzero(later < self._span)
        numbers = stretch.features[_numbers(stretch.features)]
        both = np.concatenate([chosen, kept])
        frozen = _frozen(numbers, stretch.frozen[order], order, group, at[both])
        features = stretch.features.iloc[chosen].reset_index(drop=True)
        neighbors = {distance: _moved(numbers, order, group, at[chosen], distance) for distance in self._distances}
        rows = BatchRows(features, stretch.minutes[chosen], neighbors, frozen.iloc[: len(chosen)])
        self._sampled.append((stretch.place[chosen], rows))
        stretch.place[chosen] = -1
        self._tail = stretch.take(kept, frozen.iloc[len(chosen) :].to_numpy())


def concatenated(batches: Sequence[BatchRows]) -> BatchRows:
    """Return the rows of all batches, ordered by time where there is one."""
    rows = _joined(batches)
    return rows if rows.minutes is None else rows.take(np.argsort(rows.minutes, kind="stable"))


def batch_numbers(batches: Sequence[BatchRows]) -> np.ndarray:
    """Return the number of the batch of each of the `concatenated` rows, shape (n,)."""
    numbers = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    minutes = [batch.minutes for batch in batches if batch.minutes is not None]
    if len(minutes) < len(batches):
        return numbers
    ordered: np.ndarray = numbers[np.argsort(np.concatenate(minutes), kind="stable")]
    return ordered


def _joined(batches: Sequence[BatchRows]) -> BatchRows:
    """Return the rows of all batches, one after the other."""
    features = pd.concat([batch.features for batch in batches], ignore_index=True)
    frozen = pd.concat([batch.frozen for batch in batches], ignore_index=True)
    if any(batch.minutes is None for batch in batches):
        return BatchRows(features, None, {}, frozen)
    minutes = np.concatenate([batch.minutes for batch in batches if batch.minutes is not None])
    neighbors = {
        distance: pd.concat([batch.neighbors[distance] for batch in batches], ignore_index=True)
        for distance in batches[0].neighbors
    }
    return BatchRows(features, minutes, neighbors, frozen)


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the features of the rows, and the target if the frame has it."""
    features = to_features(frame, problem.Row)
    return features.assign(**{problem.TARGET: _target(frame[problem.TARGET])}) if problem.TARGET in frame else features


def _numbers(features: pd.DataFrame) -> list[str]:
    return [name for name, kind in _kinds(features).items() if kind == "number"]


def _kinds(features: pd.DataFrame) -> dict[str, str]:
    target = "category" if problem.TASK == "multiclass" else "number"
    declared = {column.name: column.kind for column in columns(problem.Row)} | {problem.TARGET: target}
    return {str(name): declared.get(str(name), "number") for name in features}


def _target(labels: pd.Series) -> pd.Series:
    return labels.astype(str) if problem.TASK == "multiclass" else labels.astype("float32")


def _minutes(time: pd.Series) -> np.ndarray:
    utc = time.dt.tz_convert("UTC").dt.tz_localize(None) if time.dt.tz else time
    minutes: np.ndarray = utc.to_numpy().astype("datetime64[m]").astype(np.int64)
    return minutes


def _order(features: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of rows by segment, stable in time, and the segment of each row in that order."""
    if not problem.SEGMENTS:
        return np.arange(len(features)), np.zeros(len(features), dtype=int)
    codes = features[problem.SEGMENTS[0]].astype("category").cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    return order, codes[order]


def _moved(numbers: pd.DataFrame, order: np.ndarray, group: np.ndarray, at: np.ndarray, distance: int) -> pd.DataFrame:
    """Return for the rows at `at` of the order the numbers of the row `distance` further up; NaN where there is none.

    Both rows are in one segment.
    """
    sources = at - distance
    inside = (sources >= 0) & (sources < len(order))
    inside[inside] = group[sources[inside]] == group[at[inside]]
    values = numbers.iloc[order[np.where(inside, sources, at)]].to_numpy(dtype=np.float32, copy=True)
    values[~inside] = np.nan
    return pd.DataFrame(values, columns=numbers.columns)


def _frozen(
    numbers: pd.DataFrame, before: np.ndarray, order: np.ndarray, group: np.ndarray, at: np.ndarray
) -> pd.DataFrame:
    """Return for the rows at `at` of the order how many rows before have the number, one after the other.

    All of them are in one segment, whose first row had its numbers `before`. One column is in memory at a time.
    """
    return pd.DataFrame(
        {
            name: _run_length(numbers[name].to_numpy()[order], before[:, place], group)[at]
            for place, name in enumerate(numbers)
        }
    )


def _run_length(values: np.ndarray, before: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return how many values before each one equal it, one after the other in its group; NaN equals nothing.

    The first value of a group continues as many as `before` has, shape (n,).
    """
    begins, places = np.ones(len(values), dtype=bool), np.arange(len(values), dtype=np.int32)
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = group[1:] != group[:-1]
    begins[1:] = (values[1:] != values[:-1]) | starts[1:]
    begin = np.maximum.accumulate(np.where(begins, places, 0))
    length: np.ndarray = places - begin + np.where(starts, before, 0)[begin]
    return length
