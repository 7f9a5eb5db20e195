"""Inference of columns: numbers with limits, flags, closed and open lists, and columns to exclude."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from slipway.scaffold import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLOSED_VALUES_MAX = 20  # values of a closed list
CLOSED_ROWS_MIN = 5  # rows of each value of a closed list; rarer values suggest that others are missing
DISTINCT_RATIO_MAX = 0.5  # distinct strings per row; above it a column is free text
HEADROOM_RATIO = 0.5  # of the observed range, below the minimum and above the maximum
MISSING_RATIO_MAX = 0.9  # fraction of rows without a value; above it a column has too little information
SCALE_WIDTH_MAX = 20  # from the lowest to the highest of whole numbers that are a scale
FREQUENT_SCALE_WIDTH_MAX = 60  # the same where every number between is frequent, as for hours, days and minutes
INTEGER_MAX = 2**53  # float64 represents every integer up to it
FLOAT32_MAX = float(np.finfo(np.float32).max)
CODE = re.compile(r"[A-Z0-9]{1,8}")
IDENTIFIER = re.compile(r"(^|_)(id|key|uuid|number|no|index)$|^unnamed")


@dataclass(frozen=True)
class Feature:
    """A column of `Row`; `kind` is int, float, bool, closed or open."""

    name: str
    source: str
    kind: str
    nullable: bool
    observed: str
    low: float = 0
    high: float = 0
    values: tuple[str, ...] = ()
    length_max: int = 0
    pattern: str = ""
    ordered: bool = False
    """Whether the order of `values` has a meaning."""

    @property
    def unit(self) -> str:
        """Unit in the name of the column; empty for none."""
        return names.unit(self.source)

    @property
    def is_category(self) -> bool:
        """Whether the column is a string to a model."""
        return self.kind in {"closed", "open"}


@dataclass(frozen=True)
class Excluded:
    """A column that is excluded, and the reason."""

    source: str
    reason: str


def certain(frame: pd.DataFrame) -> list[str]:
    """Return the columns that `examine` does not exclude, as far as their types show: numbers with a fraction."""
    numbers = [name for name in map(str, frame) if pd.api.types.is_float_dtype(frame[name])]
    return [name for name in numbers if frame[name].isna().mean() <= MISSING_RATIO_MAX]


def examine(column: pd.Series, name: str) -> Feature | Excluded:
    """Return the feature for `column` under its new `name`, or the reason to exclude it.

    Rows are ordered by time where there is one.
    """
    # Integers with missing values are floats too; floats without missing values stay floats.
    is_float = pd.api.types.is_float_dtype(column) and column.notna().all()
    declared = column.dtype if isinstance(column.dtype, pd.CategoricalDtype) else None
    column, source = column.astype("string") if declared is not None else column, str(column.name)
    column = column.convert_dtypes(convert_integer=not is_float)
    values, nullable = column.dropna(), bool(column.isna().any())
    if column.isna().mean() > MISSING_RATIO_MAX:
        return Excluded(source, f"it is missing in {column.isna().mean():.0%} of rows")
    if reason := _reason_to_exclude(values, name):
        return Excluded(source, reason)
    if pd.api.types.is_bool_dtype(values):
        ratio = float(values.astype(float).mean())
        return Feature(name, source, "bool", nullable, f"true in {ratio:.0%} of rows")
    if pd.api.types.is_numeric_dtype(values):
        return _number(values, name, source, nullable)
    if declared is not None and (declared.ordered or len(declared.categories) <= CLOSED_VALUES_MAX):
        return _declared(declared, name, source, nullable)
    return _text(values, name, source, nullable)


def _reason_to_exclude(values: pd.Series, name: str) -> str:
    """Return why a model cannot learn from the column, or an empty string."""
    if part := _part_of_time(values):
        return f"it is {part}"
    if not _is_plain(values):
        return f"its values are not numbers, flags or strings, but {type(values.iloc[0]).__name__}"
    distinct = values.nunique()
    if distinct == 1:
        return f"it has a single value, {str(values.iloc[0])[:40]!r}"
    if pd.api.types.is_integer_dtype(values) and distinct == len(values):
        consecutive = int(values.max()) - int(values.min()) + 1 == len(values)
        return "it numbers the rows" if consecutive or IDENTIFIER.search(name) else ""
    if not pd.api.types.is_numeric_dtype(values) and distinct > max(
        CLOSED_VALUES_MAX, DISTINCT_RATIO_MAX * len(values)
    ):
        return f"it has {distinct:,} distinct strings in {len(values):,} rows: an identifier, or free text"
    return ""


def _part_of_time(values: pd.Series) -> str:
    """Return what a column of dates, times or durations is, and what to derive from it; empty for another column."""
    derive = "derive features from it in `tidy` of src/problem/data.py"
    first = values.iloc[0]
    if isinstance(first, datetime.timedelta):
        return f"a duration; {derive}, such as its hours"
    if isinstance(first, datetime.time):
        return f"a time of day; {derive}, such as its hour"
    if isinstance(first, datetime.date | np.datetime64) or _is_date(values):
        return f"a date; {derive}, such as a duration or a weekday"
    return ""


def _is_plain(values: pd.Series) -> bool:
    if values.dtype == object:
        return all(isinstance(value, str) for value in values)
    if pd.api.types.is_complex_dtype(values):
        return False
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_string_dtype(values)


def _is_date(values: pd.Series) -> bool:
    """Return whether all strings have digits and separators and parse as dates."""
    if not pd.api.types.is_string_dtype(values) or not values.head(100).str.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d").all():
        return False
    return bool(pd.to_datetime(values, errors="coerce", format="mixed", utc=True).notna().all())


def _number(values: pd.Series, name: str, source: str, nullable: bool) -> Feature:
    low, high = values.min(), values.max()
    is_whole = pd.api.types.is_integer_dtype(values) and max(abs(int(low)), abs(int(high))) <= INTEGER_MAX
    below, above = limits_of(float(low), float(high))
    if is_whole and _is_scale(values):
        below, above = int(low), int(high)
    kind = "int" if is_whole else "float"
    return Feature(name, source, kind, nullable, f"{low:.6g} to {high:.6g}", low=below, high=above)


def _is_scale(values: pd.Series) -> bool:
    """Return whether whole numbers are a scale, such as 0 to 1, 1 to 5 or the hours of a day, without headroom."""
    width = int(values.max()) - int(values.min())
    return width <= SCALE_WIDTH_MAX or (
        width <= FREQUENT_SCALE_WIDTH_MAX
        and values.nunique() == width + 1
        and int(values.value_counts().min()) >= CLOSED_ROWS_MIN
    )


def limits_of(low: float, high: float) -> tuple[float, float]:
    """Return rounded limits around `low` and `high` with headroom, which do not change the sign."""
    headroom = (high - low) * HEADROOM_RATIO
    exponent = math.floor(math.log10(high - low))
    step = 10.0**exponent
    below, above = math.floor((low - headroom) / step), math.ceil((high + headroom) / step)
    below, above = (max(0, below) if low >= 0 else below), (min(0, above) if high <= 0 else above)
    return _limit(below, exponent, low, min), _limit(above, exponent, high, max)


def _limit(count: int, exponent: int, observed: float, outermost: Callable[[float, float], float]) -> float:
    """Return `count` steps of a power of ten, not inside the observed value, within the range of float32."""
    limit = outermost(float(f"{count}e{exponent}"), observed)
    limit = max(-FLOAT32_MAX, min(limit, FLOAT32_MAX))
    return int(limit) if limit == int(limit) else limit


def _declared(dtype: pd.CategoricalDtype, name: str, source: str, nullable: bool) -> Feature:
    """Return a closed list of all categories of a dtype, in their order, also those without rows."""
    values = tuple(map(str, dtype.categories if dtype.ordered else sorted(dtype.categories)))
    observed = f"{len(values)} declared categories{', ordered' if dtype.ordered else ''}"
    return Feature(name, source, "closed", nullable, observed, values=values, ordered=bool(dtype.ordered))


def _text(values: pd.Series, name: str, source: str, nullable: bool) -> Feature:
    counts = values.value_counts()
    if len(counts) <= CLOSED_VALUES_MAX and counts.min() >= CLOSED_ROWS_MIN and _is_stable(values):
        closed = tuple(sorted(counts.index))
        observed = f"{len(closed)} values, each in {counts.min():,} rows or more"
        return Feature(name, source, "closed", nullable, observed, values=closed)
    observed = f"{len(counts):,} values, {counts.iloc[0]:,} rows of {str(counts.index[0])[:20]!r}"
    length_max = _round_up(2 * int(values.str.len().max()))
    return Feature(name, source, "open", nullable, observed, length_max=length_max, pattern=_pattern(values))


def _is_stable(values: pd.Series) -> bool:
    """Return whether both halves of the rows have the same values."""
    half = len(values) // 2
    return set(values.iloc[:half]) == set(values.iloc[half:])


def _pattern(values: pd.Series) -> str:
    """Return a pattern for short codes of equal length; empty for other strings."""
    lengths = values.str.len()
    if lengths.min() != lengths.max() or not values.str.fullmatch(CODE).all():
        return ""
    letters = "A-Z" if not values.str.contains(r"\d").any() else "0-9" if values.str.isdigit().all() else "A-Z0-9"
    return f"^[{letters}]{{{int(lengths.max())}}}$"


def _round_up(length: int) -> int:
    return -(-length // 10) * 10


def examine_all(frame: pd.DataFrame, named: Mapping[str, str]) -> tuple[list[Feature], list[Excluded]]:
    """Return the features and the excluded columns among the columns in `named`."""
    columns = [examine(frame[column], name) for column, name in named.items()]
    features = [column for column in columns if isinstance(column, Feature)]
    return features, [column for column in columns if isinstance(column, Excluded)]
