"""The tables that stages hand on: features and target, read back in the shape an estimator takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.schema import columns

if TYPE_CHECKING:
    from pathlib import Path


def read_rows(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Features, shape (n, columns of Row), and targets, shape (n,), of a table that `prepare` wrote."""
    table = pd.read_parquet(path)
    target = table[problem.TARGET].to_numpy()
    return table[
        [column.name for column in columns(problem.Row)]
    ], target if problem.TASK == "multiclass" else target.astype(float)


def positions(target: np.ndarray, classes: list) -> np.ndarray:
    """Targets as metrics take them: for `multiclass`, the position of each in `classes`; otherwise as they are."""
    if problem.TASK != "multiclass":
        return target
    return pd.Index(classes).get_indexer(target)
