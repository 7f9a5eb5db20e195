"""The model of one column: trees predict it from others.

A season moves columns together, so the predictions stay accurate. A broken source moves one column alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from slipway.batch.profile import ColumnProfile

PROBABILITY_MIN = 0.01  # floor of the predicted probability of a category
RIDGE_PENALTY = 1e-3  # per row, on standardized columns; keeps the weights of collinear columns finite
LINEAR_RATIO_MIN = 0.5  # of the variance that a linear part explains; a weaker one extrapolates noise


@dataclass(frozen=True)
class ModelShape:
    """The model of each column."""

    trees: int
    columns_ratio: float
    """Fraction of the columns that a split may use."""
    linear: bool
    """Whether a linear model of the numbers precedes the trees, which cannot extrapolate to another season."""
    leaf_rows_min: int = 8

    def estimator(self, kind: str, seed: int) -> Any:
        """Return the trees of scikit-learn for a column of `kind`, not fitted."""
        from sklearn import ensemble, tree

        is_number = kind == "number"
        settings = {"min_samples_leaf": self.leaf_rows_min, "max_features": self.columns_ratio, "random_state": seed}
        if self.trees == 1:  # a forest of one takes half as long again
            single = tree.DecisionTreeRegressor if is_number else tree.DecisionTreeClassifier
            return single(**settings)
        forest = ensemble.RandomForestRegressor if is_number else ensemble.RandomForestClassifier
        return forest(self.trees, **settings)


LINEAR_TREE = ModelShape(trees=1, columns_ratio=1.0, linear=True)
"""Four times as fast as a forest of eight trees, and as accurate on the sample."""
LABEL_FOREST = ModelShape(trees=8, columns_ratio=0.5, linear=True, leaf_rows_min=50)
"""Labels are noisy: with small leaves, their slope over the prediction varies so much that shuffled ones pass."""


def encoded(features: pd.DataFrame, profiles: Mapping[str, ColumnProfile]) -> np.ndarray:
    """Return the columns as floats: numbers unchanged, categories by rank, missing values as NaN."""
    columns = []
    for name, column in profiles.items():
        if column.kind == "number":
            columns.append(features[name].to_numpy(dtype=np.float32))
        else:
            codes = column.codes(features[name]).astype(np.float32)
            columns.append(np.where(codes == 0, np.nan, codes))
    return np.column_stack(columns)


@dataclass(frozen=True)
class LinearPart:
    """A ridge regression on the numbers among the other columns; a missing value counts as the median."""

    places: np.ndarray
    medians: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    """In units of `spread`."""
    intercept: float

    @classmethod
    def fit(cls, others: np.ndarray, values: np.ndarray, numeric: np.ndarray) -> LinearPart:
        """Fit the weights on complete `values`; `numeric` flags the numbers among the columns of `others`."""
        places = np.flatnonzero(numeric & ~np.isnan(others).all(axis=0))
        medians = np.nanmedian(others[:, places], axis=0) if len(places) else np.zeros(0)
        filled = np.where(np.isnan(others[:, places]), medians, others[:, places]).astype(float)
        center, spread = filled.mean(axis=0), filled.std(axis=0)
        spread[spread == 0] = 1.0
        scaled = (filled - center) / spread
        gram = scaled.T @ scaled + RIDGE_PENALTY * len(values) * np.eye(len(places))
        weights = np.linalg.solve(gram, scaled.T @ (values - values.mean()))
        return cls(places, medians, center, spread, weights, float(values.mean()))

    def predict(self, others: np.ndarray) -> np.ndarray:
        """Return the prediction of each row."""
        chosen = others[:, self.places]
        scaled = (np.where(np.isnan(chosen), self.medians, chosen) - self.center) / self.spread
        prediction: np.ndarray = scaled @ self.weights + self.intercept
        return prediction


@dataclass(frozen=True)
class ColumnModel:
    """The model of one column from others, given as floats in the order of `fit`."""

    kind: str
    trees: Any
    linear: LinearPart | None
    residual_spread: float = 1.0
    """Standard deviation that the linear part leaves to the trees."""

    @classmethod
    def fit(
        cls,
        others: np.ndarray,
        values: np.ndarray,
        numeric: np.ndarray,
        kind: str,
        shape: ModelShape,
        seed: int,
    ) -> ColumnModel | None:
        """Return the fitted model; None where there is too little to learn from."""
        is_present = ~np.isnan(values)
        if not others.shape[1] or is_present.sum() < 2 * shape.leaf_rows_min:
            return None
        present, rows = values[is_present], others[is_present]
        linear = LinearPart.fit(rows, present, numeric) if shape.linear and kind == "number" else None
        if linear and np.var(present - linear.predict(rows)) > (1 - LINEAR_RATIO_MIN) * np.var(present):
            linear = None
        left = present - linear.predict(rows) if linear else present
        return cls(kind, shape.estimator(kind, seed).fit(rows, left), linear, float(left.std()))

    @property
    def importance(self) -> np.ndarray:
        """Return the reliance on each of the others, by the trees and by the linear part."""
        importance: np.ndarray = np.array(self.trees.feature_importances_)
        if self.linear:
            explained = np.abs(self.linear.weights)
            importance *= self.residual_spread
            importance[self.linear.places] += explained
        return importance

    def predict(self, others: np.ndarray) -> np.ndarray:
        """Return the prediction of a number for each row."""
        prediction: np.ndarray = self.trees.predict(others)
        return prediction + self.linear.predict(others) if self.linear else prediction

    def surprise(self, others: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the surprise of each category, in nats; NaN where it is missing."""
        probabilities, classes = self.trees.predict_proba(others), self.trees.classes_
        places = np.clip(np.searchsorted(classes, values), 0, len(classes) - 1)
        right = np.where(classes[places] == values, probabilities[np.arange(len(values)), places], 0)
        return np.where(np.isnan(values), np.nan, -np.log(np.clip(right, PROBABILITY_MIN, 1)))
