"""Reader of the tables that `prepare` writes: features and target in the shapes of an estimator.

Only `read_rows` holds all rows, as features. The other functions hold a batch, and the rows that they return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import problem
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

BATCH_ROWS = (
    2**16
)  # rows in memory together; 20 columns take 20 MB, and batches of half the size cost a tenth more time


@dataclass(frozen=True)
class Batches:
    """Features and targets of the table at `path`, as `read_rows` returns them, in batches; any number of passes."""

    path: Path
    names: Collection[str] | None = None
    """Columns of Row to read; None for all."""

    def __iter__(self) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
        """Yield features, shape (k, columns of Row), and targets, shape (k,), of at most BATCH_ROWS rows."""
        columns = None if self.names is None else [*self.names, problem.TARGET]
        for frame in read_frames(self.path, columns):
            yield to_features(frame, problem.Row, self.names), _target(frame)


@dataclass(frozen=True)
class FeatureBatches:
    """The features of `Batches`, without the targets."""

    path: Path

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the features of each batch."""
        for features, _ in Batches(self.path):
            yield features


def read_frames(path: Path, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield all columns or `columns` of the table at `path` in batches, with the types of the whole table."""
    with pq.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.read(columns).to_pandas()
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch]).to_pandas()


def read_rows(path: Path, names: Collection[str] | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features, shape (n, columns of Row), and targets, shape (n,), of the table at `path`.

    names: columns of Row to return; None for all.
    """
    features, targets = zip(*Batches(path, names), strict=True)
    return pd.concat(features, ignore_index=True), np.concatenate(targets)


def read_places(path: Path, places: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows of `read_rows` at `places`, as `take` does."""
    frame = take(read_frames(path), places)
    return to_features(frame, problem.Row), _target(frame)


def read_target(path: Path) -> np.ndarray:
    """Return the targets of `read_rows`."""
    return _target(pd.read_parquet(path, columns=[problem.TARGET]))


def row_count(path: Path) -> int:
    """Return the number of rows of the table at `path`."""
    rows: int = pq.read_metadata(path).num_rows
    return rows


def take(batches: Iterable[pd.DataFrame], places: np.ndarray) -> pd.DataFrame:
    """Return the rows at `places`, shape (k,), of consecutive batches, in that order; places count from 0."""
    order = np.argsort(places, kind="stable")
    ordered, start, parts = places[order], 0, []
    for batch in batches:
        low, high = np.searchsorted(ordered, [start, start + len(batch)])
        parts.append(batch.iloc[ordered[low:high] - start])
        start += len(batch)
        if high == len(ordered):
            break
    return pd.concat(parts, ignore_index=True).iloc[np.argsort(order)].reset_index(drop=True)


def drawn(rows: int, size: int, seed: int) -> np.ndarray:
    """Return the places that `DataFrame.sample(size, random_state=seed)` draws of `rows` rows; 8 bytes per row."""
    places: np.ndarray = np.random.RandomState(seed).choice(rows, size=size, replace=False)
    return places


def _target(frame: pd.DataFrame) -> np.ndarray:
    target: np.ndarray = frame[problem.TARGET].to_numpy()
    return target if problem.TASK == "multiclass" else target.astype(float)


def positions(target: np.ndarray, classes: list[Any]) -> np.ndarray:
    """Return targets for metrics: for `multiclass`, the position of each in `classes`, otherwise unchanged."""
    if problem.TASK != "multiclass":
        return target
    indices: np.ndarray = pd.Index(classes).get_indexer(pd.Index(target))
    return indices
