"""The relations between columns: a forest predicts each column from the others.

A season moves columns together, so the predictions stay accurate. A broken source moves one column alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from slipway.monitoring.profile import ColumnProfile

TRAINING_ROWS_MAX = 10_000  # more take longer, and distinguish a fault from a season no better
TREE_COUNT = 8
LEAF_ROWS_MIN = 8
PROBABILITY_MIN = 0.01  # floor of the predicted probability of a category


@dataclass(frozen=True)
class Relations:
    """One forest per column."""

    profiles: Mapping[str, ColumnProfile]
    forests: Mapping[str, Any]
    """Estimators of scikit-learn; None for a column that cannot be predicted."""

    @classmethod
    def learn(cls, features: pd.DataFrame, profiles: Mapping[str, ColumnProfile], seed: int) -> Relations:
        """Fit a forest for each column on a sample of `features`."""
        table = _table(features.sample(min(TRAINING_ROWS_MAX, len(features)), random_state=seed), profiles)
        forests = {name: _fit(table, place, column, seed) for place, (name, column) in enumerate(profiles.items())}
        return cls(profiles, forests)

    def errors(self, features: pd.DataFrame) -> np.ndarray:
        """Return the error of each forest on each row, shape (n, columns); NaN where a value is missing.

        The error is the value minus the prediction for a number, and the surprise in nats for a category.
        """
        table = _table(features, self.profiles)
        return np.column_stack(
            [
                _error(self.forests[name], np.delete(table, place, axis=1), table[:, place], column.kind)
                for place, (name, column) in enumerate(self.profiles.items())
            ]
        )


def _table(features: pd.DataFrame, profiles: Mapping[str, ColumnProfile]) -> np.ndarray:
    """Return the columns as floats: numbers unchanged, categories by rank, missing values as NaN."""
    columns = []
    for name, column in profiles.items():
        if column.kind == "number":
            columns.append(features[name].to_numpy(dtype=np.float32))
        else:
            codes = column.codes(features[name]).astype(np.float32)
            columns.append(np.where(codes == 0, np.nan, codes))
    return np.column_stack(columns)


def _fit(table: np.ndarray, place: int, column: ColumnProfile, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    target = table[:, place]
    is_present = ~np.isnan(target)
    if table.shape[1] < 2 or is_present.sum() < 2 * LEAF_ROWS_MIN:
        return None
    kind = RandomForestRegressor if column.kind == "number" else RandomForestClassifier
    forest = kind(TREE_COUNT, min_samples_leaf=LEAF_ROWS_MIN, max_features=0.5, random_state=seed)
    return forest.fit(np.delete(table[is_present], place, axis=1), target[is_present])


def _error(forest: Any, others: np.ndarray, values: np.ndarray, kind: str) -> np.ndarray:
    if forest is None or not len(values):
        return np.full(len(values), np.nan)
    if kind == "number":
        residuals: np.ndarray = values - forest.predict(others)
        return residuals
    probabilities, classes = forest.predict_proba(others), forest.classes_
    places = np.clip(np.searchsorted(classes, values), 0, len(classes) - 1)
    right = np.where(classes[places] == values, probabilities[np.arange(len(values)), places], 0)
    return np.where(np.isnan(values), np.nan, -np.log(np.clip(right, PROBABILITY_MIN, 1)))
