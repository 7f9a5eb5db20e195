"""Samples of the labeled rows of a file, whose rows are read in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

import problem
from slipway.batch.batch_rows import BatchRows, RowSampler
from slipway.checks import suites
from slipway.checks.files import FileRows
from slipway.checks.learned import NEIGHBOR_DISTANCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NEW_RATIO = 0.3  # fraction of a single file that counts as new data, where there is no older file to compare it with


class Sampler(Protocol):
    """The destination of rows."""

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next rows."""


@dataclass(frozen=True)
class FilePart:
    """Labeled rows of a file, from the place `start` until before `stop` among those of the file."""

    rows: FileRows
    start: int
    stop: int
    order: np.ndarray | None = None
    """Places of the rows in the order of the part, counted from `start`; None for all, in the order of the file."""

    @classmethod
    def whole(cls, data_dir: Path, name: str) -> FilePart:
        """Return all labeled rows of the file `name`. Raises UnreadableError."""
        rows = FileRows(data_dir, name)
        return cls(rows, 0, sum(int(batch[problem.TARGET].notna().sum()) for batch in rows))

    @classmethod
    def split(cls, data_dir: Path, name: str, seed: int) -> tuple[FilePart, FilePart]:
        """Return the new and the older rows of a single file: its last rows, and the rows before.

        Without a time column the order of a file means nothing, so the split is random. 9 bytes per row are in memory
        then, 1 otherwise.
        """
        rows = FileRows(data_dir, name)
        is_labeled = np.concatenate([batch[problem.TARGET].notna().to_numpy() for batch in rows])
        border, total = round(len(is_labeled) * (1 - NEW_RATIO)), int(is_labeled.sum())
        if problem.TIME_COLUMN:
            labeled_border = int(is_labeled[:border].sum())
            return cls(rows, labeled_border, total), cls(rows, 0, labeled_border)
        places, shuffled = np.cumsum(is_labeled) - 1, np.random.RandomState(seed).permutation(len(is_labeled))
        labeled = (part[is_labeled[part]] for part in (shuffled[border:], shuffled[:border]))
        new, older = (cls(rows, 0, total, places[part]) for part in labeled)
        return new, older

    def __len__(self) -> int:
        return self.stop - self.start if self.order is None else len(self.order)

    def read(self, *samplers: Sampler) -> None:
        """Add the rows to `samplers`, a batch at a time. Raises UnreadableError.

        Only the first batch may have no row of the part: pandas copies no empty slice, so each would retain its batch.
        """
        start = 0
        for batch in self.rows:
            labeled = batch[batch[problem.TARGET].notna()]
            rows = labeled.iloc[max(0, self.start - start) : max(0, self.stop - start)]
            if len(rows) or not start:
                for sampler in samplers:
                    sampler.add(rows)
            start += len(labeled)
            if start >= self.stop:
                break

    def table(self, rows_max: int, seed: int) -> TableSampler:
        """Return a sampler of at most `rows_max` rows for the suites; 8 bytes per row are in memory for the draw."""
        drawn = np.random.RandomState(seed).choice(len(self), min(rows_max, len(self)), replace=False)
        return TableSampler(np.sort(self._places(drawn)))

    def batch(self, rows_max: int, seed: int) -> BatchSampler:
        """Return a sampler of at most `rows_max` rows for the learned checks; 8 bytes per row are in memory."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:rows_max])
        return BatchSampler(self._places(drawn))

    def _places(self, drawn: np.ndarray) -> np.ndarray:
        return drawn if self.order is None else self.order[drawn]


class PlaceSampler:
    """Samples the rows at `places`, shape (k,), in that order."""

    def __init__(self, places: np.ndarray) -> None:
        self._order = np.argsort(places, kind="stable")
        self._places, self._start = places[self._order], 0
        self._sampled: list[pd.DataFrame] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next rows."""
        low, high = np.searchsorted(self._places, [self._start, self._start + len(frame)])
        self._sampled.append(frame.iloc[self._places[low:high] - self._start])
        self._start += len(frame)

    def frame(self) -> pd.DataFrame:
        """Return the rows at all places."""
        return pd.concat(self._sampled, ignore_index=True).iloc[np.argsort(self._order)].reset_index(drop=True)


class TableSampler(PlaceSampler):
    """Samples rows in the types for deepchecks and the probe."""

    def rows(self) -> pd.DataFrame:
        """Return the rows at all places."""
        return suites.typed(self.frame())


class BatchSampler:
    """Samples the rows at `places`, shape (k,), in that order, for the learned checks."""

    def __init__(self, places: np.ndarray) -> None:
        self._order = np.argsort(places)
        self._sampler = RowSampler(places[self._order], NEIGHBOR_DISTANCES)
        self.add = self._sampler.add

    def rows(self) -> BatchRows:
        """Return the rows at all places."""
        return self._sampler.rows().take(np.argsort(self._order))


def both(
    data_dir: Path, new: Sequence[str], reference: Sequence[str], seed: int
) -> tuple[Iterator[FilePart], Iterator[FilePart]]:
    """Return the rows of each file of both sides; those of a single file are split, see `FilePart.split`."""
    if reference:
        return (FilePart.whole(data_dir, name) for name in new), (FilePart.whole(data_dir, name) for name in reference)
    fresh, older = FilePart.split(data_dir, new[0], seed)
    return iter([fresh]), iter([older])
