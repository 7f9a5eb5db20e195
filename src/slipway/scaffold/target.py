"""What is to be predicted: the task that a target makes, and what 1 means where it has two values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from slipway.errors import UserError
from slipway.scaffold.source import ROWS_MIN

TASKS = ("binary", "multiclass", "regression")
MOST_CLASSES = 20
FEWEST_OF_CLASS = 10  # rows; a rarer class would be missing from the train or from the test rows
WORDS = {"yes", "y", "true", "1"}


@dataclass(frozen=True)
class Target:
    """`positive` is the value that becomes 1, for a binary target that is not 0 and 1 already."""

    source: str
    name: str
    task: str
    described: str
    positive: Any = None
    outcomes: tuple[tuple[Any, int], ...] = ()
    """Values of a binary target, and what each becomes; no other value may pass for one of them."""

    @property
    def negative(self) -> Any:
        """The value that becomes 0."""
        return next((value for value, becomes in self.outcomes if becomes == 0), None)


def examine(values: pd.Series, name: str, task: str) -> Target:
    """The target in the column `values`; `task` is one of TASKS, or empty to be found out.

    Raises UserError when there is nothing to learn from it, or when it does not suit `task`.
    """
    known, source = values.convert_dtypes().dropna(), str(values.name)
    if len(known) < ROWS_MIN:
        raise UserError(f"{source}: {len(known)} rows have a value; {ROWS_MIN} or more are needed")
    if known.nunique() < 2:
        raise UserError(f"{source}: one value only, {known.iloc[0]!r}; there is nothing to predict")
    task = task or _task_of(known, source)
    if task == "regression":
        return Target(source, name, task, _range(known, source))
    counts = _counts(known, source)
    if task == "multiclass":
        return Target(source, name, task, f"{len(counts)} classes: {_shares(counts)}")
    if len(counts) != 2:
        raise UserError(f"{source}: {len(counts)} values; a binary target has two; try --task multiclass or regression")
    if pd.api.types.is_integer_dtype(known) and set(counts.index) == {0, 1}:
        return Target(source, name, task, _shares(counts), outcomes=((0, 0), (1, 1)))
    positive = _positive(counts)
    outcomes = tuple((value, int(value == positive)) for value in counts.index)
    return Target(source, name, task, f"1 is {positive!r}: {_shares(counts)}", positive, outcomes)


def _task_of(known: pd.Series, source: str) -> str:
    if known.nunique() == 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(known):
        return "multiclass"
    if pd.api.types.is_integer_dtype(known) and known.nunique() <= MOST_CLASSES // 2:
        raise UserError(f"{source}: {known.nunique()} whole numbers; say whether --task is multiclass or regression")
    return "regression"


def _range(known: pd.Series, source: str) -> str:
    if not pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
        raise UserError(f"{source}: {known.iloc[0]!r} is no number; a regression needs numbers")
    return f"{known.min():.6g} to {known.max():.6g}"


def _counts(known: pd.Series, source: str) -> pd.Series:
    if not all(isinstance(value, str | int | float | bool) for value in known.unique().tolist()):
        raise UserError(f"{source}: {type(known.iloc[0]).__name__} is no class; a class is a text, a number or a flag")
    counts = known.value_counts()
    if len(counts) > MOST_CLASSES:
        raise UserError(f"{source}: {len(counts)} classes; {MOST_CLASSES} at most, so group them, or --task regression")
    if counts.min() < FEWEST_OF_CLASS:
        rarest = f"{counts.index[-1]!r} has {counts.min()} rows"
        raise UserError(f"{source}: {rarest}; {FEWEST_OF_CLASS} or more are needed of each class, so group or drop it")
    return counts


def _positive(counts: pd.Series) -> Any:
    """The value that says yes; else the rarer one, since that is mostly what is looked for."""
    said = [value for value in counts.index if str(value).lower() in WORDS]
    return said[0] if len(said) == 1 else counts.index[-1]


def _shares(counts: pd.Series) -> str:
    return ", ".join(f"{value} {count / counts.sum():.0%}" for value, count in counts.items())
