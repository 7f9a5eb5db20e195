"""Count of repeated rows of any number, in bounded memory: a 64-bit hash of each row, in temporary files beyond 8 MB.

Two different rows have one hash with a probability of 5e-20, so 34 million rows have a count that is one too high with
a probability of 3e-5.
"""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tempfile import SpooledTemporaryFile as HashFile

PARTITION_BITS = 6  # the first bits of a hash choose one of 64 files, of which one at a time is read
SPOOLED_BYTES = 2**17  # of each file, which stay in memory; 16,384 rows, so a million rows in all


class RepeatedRows:
    """Counts the rows of consecutive frames that equal an earlier one in every column."""

    def __init__(self) -> None:
        self._files: list[HashFile[bytes]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for _ in range(2**PARTITION_BITS):
            self._files.append(self._stack.enter_context(SpooledTemporaryFile(SPOOLED_BYTES)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, frame: pd.DataFrame) -> None:
        """Add the rows of `frame`, whose columns have the types of the frames before."""
        hashes = np.sort(pd.util.hash_pandas_object(frame, index=False).to_numpy())
        edges = np.arange(1, 2**PARTITION_BITS, dtype=np.uint64) << np.uint64(64 - PARTITION_BITS)
        for file, part in zip(self._files, np.split(hashes, np.searchsorted(hashes, edges)), strict=True):
            file.write(part.tobytes())

    def count(self) -> int:
        """Return the number of rows that repeat another: all but one of equal rows."""
        return sum(map(_repeated, self._files))


def _repeated(file: HashFile[bytes]) -> int:
    file.seek(0)
    hashes = np.frombuffer(file.read(), dtype=np.uint64)
    return len(hashes) - len(np.unique(hashes))
