"""A bounded sample of a file or folder to score, drawn while its chunks are read: rows, and how many of them repeat."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

import problem
from slipway.batch.batch_rows import BatchRows, concatenated
from slipway.checks.learned import drawn
from slipway.schema.columns import columns
from slipway.score.rows import as_float

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.score.tables import Chunk
    from slipway.settings import Settings

BLOCKS = 16  # chunks that rows are drawn from, evenly spaced over the file
HASHES_MAX = 50_000  # distinct rows among which repeated ones are counted
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that a product loses no bit; from Knuth's multiplicative hashing
HASH_SHIFT = np.uint64(29)
HASH_MASK_MAX = 2**40 - 1  # where all rows are alike, no mask divides them


class MergedFile(NamedTuple):
    """The part of a sample that is of one file."""

    batches: list[BatchRows]
    repeated_ratio: float
    """Fraction of the rows that repeat an earlier one of the file."""
    is_ordered: bool

    def rows(self) -> BatchRows | None:
        """Return the rows as `InputSample.rows` does."""
        return _joined(self.batches, is_ordered=self.is_ordered)


@dataclass
class InputSample:
    """Rows of one file, about `rows_max` at most; `merge` adds those of other files."""

    rows_max: int
    seed: int
    count: int = 0
    """Rows of the file so far."""
    batches: list[BatchRows] = field(default_factory=list)
    repeats: RepeatedRows = field(default_factory=lambda: RepeatedRows())
    files: dict[str, MergedFile] = field(default_factory=dict)
    """The parts of merged files, by name."""
    _fraction: float = 0.0
    _last: pd.Timestamp | None = None
    """Time of the last row that was looked up."""
    _is_ordered: bool = True

    def add(self, chunk: Chunk, features: pa.RecordBatch) -> None:
        """Draw from a chunk, whose columns of `Row` are `features`. Chunks are added in order."""
        self.count += len(features)
        self.repeats.add(features, chunk.raw)
        if not len(features) or int(chunk.read_fraction * BLOCKS) == int(self._fraction * BLOCKS):
            return
        rows = math.ceil(self.rows_max * (chunk.read_fraction - self._fraction))
        self._fraction = chunk.read_fraction
        frame = _frame(features)
        times = _times(chunk.raw)
        if times is not None:
            frame[problem.TIME_COLUMN] = times
            is_later = self._last is None or self._last <= times.iloc[0]
            self._is_ordered &= is_later and times.is_monotonic_increasing
            self._last = times.iloc[-1]
        self.batches.append(drawn(frame, rows, self.seed))

    def merge(self, other: InputSample, name: str) -> None:
        """Add the sample of the file `name`."""
        self.files[name] = MergedFile(other.batches, other.repeats.ratio, other._is_ordered)
        self.count += other.count
        self.batches += other.batches
        self.repeats.merge(other.repeats)
        self._is_ordered &= other._is_ordered

    def rows(self) -> BatchRows | None:
        """Return the rows of all chunks: without a clock unless all have one, without an order unless it is ascending.

        None without any row.
        """
        return _joined(self.batches, is_ordered=self._is_ordered)


def _joined(batches: Sequence[BatchRows], *, is_ordered: bool) -> BatchRows | None:
    if not batches:
        return None
    if any(batch.minutes is None for batch in batches):
        return concatenated([batch.without_time() for batch in batches])
    rows = concatenated(batches)
    return rows if is_ordered else replace(rows, neighbors={}, frozen=rows.frozen[[]])


def sampled(settings: Settings, files: int = 1) -> InputSample | None:
    """Return an empty sample of one of so many `files`; None where the input is not checked."""
    if settings.score.checks == "off":
        return None
    return InputSample(math.ceil(settings.data.relations.batch_rows / files), settings.seed)


def _frame(features: pa.RecordBatch) -> pd.DataFrame:
    """Return the columns of `Row`; numbers as float64, categories as strings with None."""
    values = {}
    for column in columns(problem.Row):
        array = features.column(column.name)
        values[column.name] = (as_float(array) if column.kind == "number" else array.cast(pa.string())).to_pandas()
    return pd.DataFrame(values)


def _times(raw: pa.RecordBatch) -> pd.Series | None:
    """Return the times of the rows; None where a row has none."""
    if problem.TIME_COLUMN is None or problem.TIME_COLUMN not in raw.schema.names:
        return None
    values = raw.column(problem.TIME_COLUMN)
    if not (pa.types.is_string(values.type) or pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        return None
    times = pd.to_datetime(values.to_pandas(), errors="coerce", utc=True)
    return None if times.isna().any() else times


@dataclass
class RepeatedRows:
    """Counts repeated rows among those whose hash of the features ends in zeros, which equal rows all do."""

    _mask: int = 0
    _features: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    _rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def add(self, features: pa.RecordBatch, raw: pa.RecordBatch) -> None:
        """Add the rows of a chunk: rows that repeat another in every column of `raw` count."""
        hashes = _hashes(features)
        chosen = np.flatnonzero(hashes & np.uint64(self._mask) == 0)
        if not len(chosen):
            return
        rows, others = hashes[chosen], _others(raw).take(chosen).to_pandas()
        if len(others.columns):
            rows = rows ^ pd.util.hash_pandas_object(others, index=False).to_numpy()
        self._extend(hashes[chosen], rows)

    def merge(self, other: RepeatedRows) -> None:
        """Add the rows of another file."""
        self._mask = max(self._mask, other._mask)
        self._extend(other._features, other._rows)

    def _extend(self, features: np.ndarray, rows: np.ndarray) -> None:
        self._features = np.concatenate([self._features, features])
        self._rows = np.concatenate([self._rows, rows])
        self._narrow()
        while len(self._rows) > HASHES_MAX and self._mask < HASH_MASK_MAX:
            self._mask = 2 * self._mask + 1
            self._narrow()

    def _narrow(self) -> None:
        remains = self._features & np.uint64(self._mask) == 0
        self._features, self._rows = self._features[remains], self._rows[remains]

    @property
    def ratio(self) -> float:
        """Fraction of the rows that repeat an earlier one."""
        return 1 - len(np.unique(self._rows)) / len(self._rows) if len(self._rows) else 0.0


def _others(raw: pa.RecordBatch) -> pa.Table:
    """Return the columns that `Row` lacks, such as keys and times; a list or a mapping distinguishes no rows."""
    names = [
        field.name
        for field in raw.schema
        if field.name not in problem.Row.model_fields and not pa.types.is_nested(field.type)
    ]
    return pa.Table.from_batches([raw]).select(names)


def _hashes(features: pa.RecordBatch) -> np.ndarray:
    """Return a hash of the columns of `Row` of each row, shape (n,)."""
    hashes = np.zeros(len(features), dtype=np.uint64)
    for column in columns(problem.Row):
        array = features.column(column.name)
        if column.kind == "number":
            words = as_float(array).to_numpy(zero_copy_only=False).view(np.uint64)
        else:
            coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
            distinct = pd.util.hash_array(np.array([*map(str, coded.dictionary.to_pylist()), ""], dtype=object))
            words = distinct[coded.indices.fill_null(len(distinct) - 1).to_numpy(zero_copy_only=False)]
        hashes = (hashes ^ words) * HASH_FACTOR
        hashes ^= hashes >> HASH_SHIFT
    return hashes
