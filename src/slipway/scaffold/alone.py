"""Predictive power score: how well a single column predicts the target, as deepchecks measures it.

0 is no better than guessing, 1 is perfect. A nearly perfect column is usually the target under another name.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.metrics import f1_score, mean_absolute_error
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE_ROWS = 5000  # as in deepchecks
FOLDS = 4
LEAK_POWER_MIN = 0.95  # columns with this power or more are excluded


def powers(frame: pd.DataFrame, columns: Iterable[str], target: str, task: str, seed: int) -> dict[str, float]:
    """Return the score of each of `columns`, in order, on a sample of the labeled rows of `frame`."""
    rows = frame[frame[target].notna()]
    rows = rows.sample(min(SAMPLE_ROWS, len(rows)), random_state=seed)
    label = rows[target].astype(float) if task == "regression" else rows[target].astype(str)
    return {name: _power(rows[name], label, task, seed) for name in columns}


def _power(values: pd.Series, label: pd.Series, task: str, seed: int) -> float:
    numbers = _numbers(values)
    if task == "regression":
        predicted = cross_val_predict(DecisionTreeRegressor(random_state=seed), numbers, label, cv=FOLDS)
        naive = mean_absolute_error(label, pd.Series(label.median(), index=label.index))
        return max(0.0, 1 - mean_absolute_error(label, predicted) / naive) if naive else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with fewer rows than folds cause warnings
        predicted = cross_val_predict(DecisionTreeClassifier(random_state=seed), numbers, label, cv=FOLDS)
        mode = pd.Series(label.mode()[0], index=label.index)
        naive = f1_score(label, mode, average="weighted")
        return max(0.0, (f1_score(label, predicted, average="weighted") - naive) / (1 - naive)) if naive < 1 else 0.0


def _numbers(values: pd.Series) -> pd.DataFrame:
    """Return the values as input of a tree: categories as codes, missing values as NaN."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values.astype("float64").to_frame()
    return pd.Series(pd.factorize(values)[0], index=values.index, name=values.name).astype("float64").to_frame()
