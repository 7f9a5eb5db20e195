"""Inference of the target: its task, and the positive value of a binary target."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import pandas as pd

from slipway.errors import DataError
from slipway.scaffold.kinds import MISSING_WORDS
from slipway.scaffold.source import ROWS_MIN
from slipway.schema.csv_file import FLOAT_INTEGER_MAX

TASKS = ("binary", "multiclass", "regression")
CLASSES_MAX = 20
CLASS_ROWS_MIN = 10  # rows of a class; a rarer class could be missing in the train or in the test rows
TRUE_WORDS = {"yes", "y", "true", "1"}


@dataclass(frozen=True)
class Target:
    """The target column. `positive` is the value that becomes 1, for a binary target without the values 0 and 1."""

    source: str
    name: str
    task: str
    description: str
    positive: Any = None
    outcomes: tuple[tuple[Any, int], ...] = ()
    """Values of a binary target with their labels; every other value is an error."""

    @property
    def negative(self) -> Any:
        """Return the value that becomes 0."""
        return next((value for value, becomes in self.outcomes if becomes == 0), None)


def examine(values: pd.Series, name: str, task: str) -> Target:
    """Return the target for the column `values`; `task` is one of TASKS, or empty to infer it.

    Raises UserError when the column has nothing to learn, or does not match `task`.
    """
    source = str(values.name)
    labels = _labels(values)
    if len(labels) < ROWS_MIN:
        raise DataError(f"{source}: {len(labels)} rows have a value; {ROWS_MIN} or more are required")
    if labels.nunique() < 2:
        raise DataError(f"{source}: a single value, {labels.tolist()[0]!r}; there is nothing to predict")
    requested, task = task, task or _task_of(labels, source)
    if task == "regression":
        return Target(source, name, task, _range(labels, source))
    counts = _counts(labels, source)
    if requested != "multiclass":
        _refuse_missing_word(counts, source)
    if task == "multiclass":
        return Target(source, name, task, f"{len(counts)} classes: {_percentages(counts)}")
    if len(counts) != 2:
        raise DataError(
            f"{source}: {len(counts)} values; a binary target has two; set --task to multiclass or regression"
        )
    if pd.api.types.is_integer_dtype(labels) and set(counts.index) == {0, 1}:
        return Target(source, name, task, _percentages(counts), outcomes=((0, 0), (1, 1)))
    positive = _positive(counts)
    outcomes = tuple((value, int(value == positive)) for value in counts.index.tolist())
    return Target(source, name, task, f"1 is {positive!r}: {_percentages(counts)}", positive, outcomes)


def _labels(values: pd.Series) -> pd.Series:
    """Return the values that are present in the narrowest type; whole numbers are integers, as written or not."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)  # a category without rows is no class
    labels = values.convert_dtypes().dropna()
    if pd.api.types.is_float_dtype(labels) and (labels % 1 == 0).all() and (labels.abs() <= FLOAT_INTEGER_MAX).all():
        return labels.astype("Int64")  # CSV has nullable floats where some labels are `1` and others `1.0`
    return labels


def _task_of(labels: pd.Series, source: str) -> str:
    if labels.nunique() == 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(labels):
        return "multiclass"
    if pd.api.types.is_integer_dtype(labels) and labels.nunique() <= CLASSES_MAX // 2:
        raise DataError(f"{source}: {labels.nunique()} distinct integers; set --task to multiclass or regression")
    return "regression"


def _range(labels: pd.Series, source: str) -> str:
    if not pd.api.types.is_numeric_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        raise DataError(f"{source}: {labels.tolist()[0]!r} is not a number; a regression needs numbers")
    return f"{labels.min():.6g} to {labels.max():.6g}"


def _counts(labels: pd.Series, source: str) -> pd.Series:
    if not all(isinstance(value, str | int | float | bool) for value in labels.unique().tolist()):
        raise DataError(
            f"{source}: {type(labels.iloc[0]).__name__} is not a class; a class is a string, a number or a flag"
        )
    counts = labels.value_counts()
    _refuse_variants(counts, source)
    if len(counts) > CLASSES_MAX:
        raise DataError(
            f"{source}: {len(counts)} classes; at most {CLASSES_MAX} are allowed; group them, or set --task regression"
        )
    if counts.min() < CLASS_ROWS_MIN:
        rarest = f"{counts.index.tolist()[-1]!r} has {counts.min()} rows"
        raise DataError(f"{source}: {rarest}; each class needs {CLASS_ROWS_MIN} or more, so group or drop it")
    return counts


def _refuse_variants(counts: pd.Series, source: str) -> None:
    """Raise UserError for two classes that `_plain` makes equal, which are usually one."""
    spellings: dict[str, str] = {}
    for label in filter(lambda label: isinstance(label, str), counts.index):
        other = spellings.setdefault(_plain(label), label)
        if other != label:
            appear_equal = len({unicodedata.normalize("NFC", name) for name in (other, label)}) == 1
            first, second = map(ascii if appear_equal else repr, (other, label))
            raise DataError(
                f"{source}: {first} in {counts[other]:,} rows and {second} in {counts[label]:,} rows are spellings"
                " of one class; write them alike"
            )


def _plain(label: str) -> str:
    """Return a label without case, accents in two characters, wide letters, dashes of other lengths and white space."""
    characters = unicodedata.normalize("NFKC", label)
    kinds = [(character, unicodedata.category(character)) for character in characters]
    plain = "".join("-" if kind == "Pd" else character for character, kind in kinds if kind != "Cf")
    return " ".join(plain.split()).casefold()


def _refuse_missing_word(counts: pd.Series, source: str) -> None:
    """Raise UserError for a third label that usually means a missing value next to two others."""
    words = [
        label for label in counts.index if isinstance(label, str) and label.strip().lower() in {"", *MISSING_WORDS}
    ]
    if words and len(counts) - len(words) == 2:
        raise DataError(
            f"{source}: {words[0]!r} in {counts[words[0]]:,} rows next to two labels; if it means a missing value,"
            f" set --missing {words[0]!r}; if it is a class, set --task multiclass"
        )


def _positive(counts: pd.Series) -> Any:
    """Return the value that means true, else the rarer one, which is usually the outcome of interest."""
    values = counts.index.tolist()
    positive = [value for value in values if str(value).lower() in TRUE_WORDS]
    return positive[0] if len(positive) == 1 else values[-1]


def _percentages(counts: pd.Series) -> str:
    return ", ".join(f"{value} {count / counts.sum():.0%}" for value, count in counts.items())
