"""The segments of labeled live rows, and their labels in the form that metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.evaluation import segments as shared
from slipway.schema.features import to_features
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def segments(rows: pd.DataFrame, rows_min: int) -> Mapping[str, np.ndarray]:
    """Return the positions of the rows of each segment, as the comparison on a pull request names them.

    Columns that the prediction log leaves out have no segments, since their values are unknown.
    """
    columns = [column for column in problem.SEGMENTS if column not in redacted(problem.Row)]
    return shared.segments(to_features(rows, problem.Row), columns, rows_min)


def targets(rows: pd.DataFrame, classes: Sequence[Any]) -> np.ndarray:
    """Return the labels as metrics take them: positions in `classes` for `multiclass`, floats for the other tasks."""
    labels: np.ndarray = (
        pd.Index(classes).get_indexer(rows[problem.TARGET])
        if problem.TASK == "multiclass"
        else rows[problem.TARGET].to_numpy(dtype=float)
    )
    return labels
