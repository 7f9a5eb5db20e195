"""Counters and histograms per worker, which any worker can sum over all of them.

Each process maps its own file in a shared folder. The file of a replaced worker stays, so that a sum never decreases.
An increment is an addition in memory and takes 0.1 µs; prometheus_client's multiprocess mode takes 1 to 4 µs.
"""

from __future__ import annotations

import logging
import mmap
import os
import zlib
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

logger = logging.getLogger(__name__)
FLOAT64_BYTES = 8


class SharedCounts:
    """A float64 for each of `names`, in `folder`, or in memory of this process without one.

    Only one thread may change each number: `values[index[name]] += 1`.
    """

    def __init__(self, names: Sequence[Hashable], folder: str | None) -> None:
        self.index = {name: place for place, name in enumerate(names)}
        self._pattern = f"slipway-{zlib.crc32(repr(names).encode()):08x}-%s.counts"  # depends on `names`
        self._folder = Path(folder) if folder else None
        self.values = memoryview(self._mapped(len(names) * FLOAT64_BYTES)).cast("d")

    def total(self) -> np.ndarray:
        """Return the sums over all processes, in the order of `names`."""
        total = np.array(self.values)
        if self._folder is not None:
            for path in self._folder.glob(self._pattern % "*"):
                if path != self._own(self._folder):
                    total += np.fromfile(path, dtype=np.float64, count=len(total))
        return total

    def _own(self, folder: Path) -> Path:
        return folder / (self._pattern % os.getpid())

    def _mapped(self, size: int) -> mmap.mmap:
        if self._folder is None:
            return mmap.mmap(-1, size)
        path = self._own(self._folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk would otherwise kill the process later
                return mmap.mmap(file.fileno(), size)
        except OSError as error:
            logger.warning("%s: %s; the metrics of this worker are not shared", path, error.strerror)
            return mmap.mmap(-1, size)


class Histogram:
    """Histogram of values with bin `edges`, and their sum: a range of `SharedCounts` that begins at (name, 0)."""

    def __init__(self, name: str, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self.names = [(name, place) for place in range(len(edges) + 2)]

    def attach(self, counts: SharedCounts) -> None:
        """Store the bins in `counts`, whose names include those of this histogram."""
        self._values = counts.values
        self._start = counts.index[self.names[0]]
        self._sum = counts.index[self.names[-1]]

    def observe(self, value: float) -> None:
        """Add a value."""
        self._values[self._start + bisect_left(self.edges, value)] += 1
        self._values[self._sum] += value

    def observe_all(self, values: np.ndarray) -> None:
        """Add `values`, shape (n,)."""
        counts = np.bincount(np.searchsorted(self.edges, values), minlength=len(self.edges) + 1)
        for bucket in np.flatnonzero(counts).tolist():
            self._values[self._start + bucket] += int(counts[bucket])
        self._values[self._sum] += float(values.sum())

    def cumulative(self, total: np.ndarray) -> tuple[list[float], float]:
        """Return the cumulative counts up to each edge and infinity, and the sum of the values, from `total`."""
        return np.cumsum(total[self._start : self._sum]).tolist(), float(total[self._sum])
