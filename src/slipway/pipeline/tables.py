"""Reader of the tables that `prepare` writes: features and target in the shapes of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from pathlib import Path


def read_rows(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features, shape (n, columns of Row), and targets, shape (n,), of the table at `path`."""
    table = pd.read_parquet(path)
    target = table[problem.TARGET].to_numpy()
    return to_features(table, problem.Row), target if problem.TASK == "multiclass" else target.astype(float)


def positions(target: np.ndarray, classes: list[Any]) -> np.ndarray:
    """Return targets for metrics: for `multiclass`, the position of each in `classes`, otherwise unchanged."""
    if problem.TASK != "multiclass":
        return target
    indices: np.ndarray = pd.Index(classes).get_indexer(pd.Index(target))
    return indices
