"""What the columns say of one another: each is foretold from the others, by trees that saw the reference.

A season moves columns together, so that what the others say of one stays right. A broken source moves one column alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from slipway.monitoring.profile import Ruler

ROWS = 10_000  # of the reference that the trees learn from; more take longer, and tell season from fault no better
TREES = 8
LEAF = 8  # rows of a leaf at least
RARE = 0.01  # least chance that a category is taken to have


@dataclass(frozen=True)
class Relations:
    """One forest for each column."""

    rulers: Mapping[str, Ruler]
    forests: Mapping[str, object]

    @classmethod
    def learn(cls, features: pd.DataFrame, rulers: Mapping[str, Ruler], seed: int) -> Relations:
        """Fit a forest for each column on a sample of `features`."""
        table = _table(features.sample(min(ROWS, len(features)), random_state=seed), rulers)
        return cls(
            rulers, {name: _fitted(table, place, ruler, seed) for place, (name, ruler) in enumerate(rulers.items())}
        )

    def errors(self, features: pd.DataFrame) -> np.ndarray:
        """How wrong each forest is about each row, shape (n, columns): NaN where a value is missing.

        For a number, what is there less what was foretold; for a category, the surprise in nats.
        """
        table = _table(features, self.rulers)
        return np.column_stack(
            [
                _error(self.forests[name], np.delete(table, place, axis=1), table[:, place], ruler.kind)
                for place, (name, ruler) in enumerate(self.rulers.items())
            ]
        )


def _table(features: pd.DataFrame, rulers: Mapping[str, Ruler]) -> np.ndarray:
    """Numbers as they are, categories by their rank; missing is NaN."""
    columns = []
    for name, ruler in rulers.items():
        if ruler.kind == "number":
            columns.append(features[name].to_numpy(dtype=np.float32))
        else:
            codes = ruler.codes(features[name]).astype(np.float32)
            columns.append(np.where(codes == 0, np.nan, codes))
    return np.column_stack(columns)


def _fitted(table: np.ndarray, place: int, ruler: Ruler, seed: int) -> object | None:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    target = table[:, place]
    there = ~np.isnan(target)
    if table.shape[1] < 2 or there.sum() < 2 * LEAF:
        return None
    kind = RandomForestRegressor if ruler.kind == "number" else RandomForestClassifier
    forest = kind(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=seed)
    return forest.fit(np.delete(table[there], place, axis=1), target[there])


def _error(forest: object | None, others: np.ndarray, values: np.ndarray, kind: str) -> np.ndarray:
    if forest is None or not len(values):
        return np.full(len(values), np.nan)
    if kind == "number":
        return values - forest.predict(others)
    chances, classes = forest.predict_proba(others), forest.classes_
    places = np.clip(np.searchsorted(classes, values), 0, len(classes) - 1)
    right = np.where(classes[places] == values, chances[np.arange(len(values)), places], 0)
    return np.where(np.isnan(values), np.nan, -np.log(np.clip(right, RARE, 1)))
