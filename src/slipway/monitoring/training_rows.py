"""The rows that a release was trained and tested on: all of them, or a uniform sample of more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.checks.file_samples import PlaceSampler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


def read(data_dir: Path, end: datetime | None, rows_max: int, seed: int) -> tuple[pd.DataFrame, float]:
    """Return the labeled rows in `data_dir` up to `end`, at most `rows_max`, and the fraction of all that they are.

    Without the problem's `load_batches`, all rows are in memory; with it, the returned ones and 8 bytes of each other.
    """
    total = sum(map(len, _labeled(data_dir, end)))
    if total <= rows_max:
        return pd.concat(list(_labeled(data_dir, end)), ignore_index=True), 1.0
    sampler = PlaceSampler(np.sort(np.random.default_rng(seed).permutation(total)[:rows_max]))
    for rows in _labeled(data_dir, end):
        sampler.add(rows)
    return sampler.frame(), rows_max / total


def _labeled(data_dir: Path, end: datetime | None) -> Iterator[pd.DataFrame]:
    load_batches = getattr(problem, "load_batches", None)
    for batch in load_batches(data_dir) if load_batches else [problem.load(data_dir)]:
        labeled = batch[batch[problem.TARGET].notna()]
        yield labeled if end is None else labeled[labeled[problem.TIME_COLUMN] <= end]
