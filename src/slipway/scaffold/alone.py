"""Predictive power score: how well a single column predicts the target, as deepchecks measures it.

0 is no better than guessing, 1 is perfect. A nearly perfect column is usually the target under another name.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, mean_absolute_error
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Fold: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
L = TypeVar("L", bound=np.generic)

SAMPLE_ROWS = 5000
CELLS_MAX = 500_000  # values of the sample; a leak is obvious with fewer rows
FOLDS = 4
LEAK_POWER_MIN = 0.95  # columns with this power or more are excluded


def powers(frame: pd.DataFrame, columns: Iterable[str], target: str, task: str, seed: int) -> dict[str, float]:
    """Return the score of each of `columns`, in order, on a sample of the labeled rows of `frame`."""
    rows = frame[frame[target].notna()]
    columns = list(columns)
    count = min(SAMPLE_ROWS, CELLS_MAX // max(len(columns), 1), len(rows))
    rows = rows.sample(count, random_state=seed)
    if task == "regression":
        label = np.asarray(rows[target], dtype=np.float64)
        naive = float(mean_absolute_error(label, np.full(len(label), np.median(label))))
        folds = _folds(KFold(FOLDS), label)
        return {name: _explained(_numbers(rows[name]), label, naive, folds, seed) if naive else 0.0 for name in columns}
    codes = np.unique(rows[target].astype(str).to_numpy(), return_inverse=True)[1]  # scikit-learn sorts strings slowly
    naive = _f1(codes, np.full(len(codes), np.bincount(codes).argmax()))
    folds = _folds(StratifiedKFold(FOLDS), codes)
    return {
        name: _recognized(_numbers(rows[name]), codes, naive, folds, seed) if naive < 1 else 0.0 for name in columns
    }


def _folds(splitter: KFold | StratifiedKFold, label: NDArray[Any]) -> list[Fold]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with fewer rows than folds cause warnings
        return list(splitter.split(label, label))


def _predicted(
    tree: DecisionTreeClassifier | DecisionTreeRegressor,
    numbers: NDArray[np.float64],
    label: NDArray[L],
    folds: Sequence[Fold],
) -> NDArray[L]:
    """Return the prediction of each row by a tree that is fitted on the other folds, shape (n,)."""
    predicted = np.empty_like(label)
    for train, test in folds:
        predicted[test] = tree.fit(numbers[train], label[train]).predict(numbers[test])
    return predicted


def _explained(
    numbers: NDArray[np.float64], label: NDArray[np.float64], naive: float, folds: Sequence[Fold], seed: int
) -> float:
    """Return the fraction of the error `naive`, of guessing the median, that a tree on one column removes."""
    predicted = _predicted(DecisionTreeRegressor(random_state=seed), numbers, label, folds)
    return max(0.0, 1 - float(mean_absolute_error(label, predicted)) / naive)


def _recognized(
    numbers: NDArray[np.float64], codes: NDArray[np.intp], naive: float, folds: Sequence[Fold], seed: int
) -> float:
    """Return the gain in F1 of a tree on one column, as a fraction of the gain from `naive`, guessing, to 1."""
    predicted = _predicted(DecisionTreeClassifier(random_state=seed), numbers, codes, folds)
    return max(0.0, (_f1(codes, predicted) - naive) / (1 - naive))


def _f1(codes: NDArray[np.intp], predicted: NDArray[np.intp]) -> float:
    return float(f1_score(codes, predicted, average="weighted"))


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    """Return the values as input of a tree, shape (n, 1): categories as codes, missing values as NaN."""
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        values = pd.Series(pd.factorize(values)[0])
    numbers = np.asarray(values.astype("float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return numbers[:, np.newaxis]
