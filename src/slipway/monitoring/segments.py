"""Rows whose label is known, by the segments in which quality is measured, and their labels as metrics take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway import segments as shared
from slipway.features import to_features
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping


def segments(rows: pd.DataFrame, rows_min: int) -> Mapping[str, np.ndarray]:
    """Return the positions of the rows of each segment, as the comparison on a pull request names them.

    Columns that the prediction log leaves out have no segments, since their values are unknown.
    """
    columns = [column for column in problem.SEGMENTS if column not in redacted(problem.Row)]
    return shared.segments(to_features(rows, problem.Row), columns, rows_min)


def targets(rows: pd.DataFrame, classes: list) -> np.ndarray:
    """Labels as metrics take them."""
    if problem.TASK == "multiclass":
        return pd.Index(classes).get_indexer(rows[problem.TARGET])
    return rows[problem.TARGET].to_numpy(dtype=float)
