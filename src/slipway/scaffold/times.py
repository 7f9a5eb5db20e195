"""Inference of the time column, and of its features: weekday and hour."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from slipway.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

YEARS = (1700, 2200)  # integers in this range are years
TEST_RATIO = 0.3  # of the rows at most
TRAIN_ROWS_MIN = 50  # before the test rows
PARTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "weekday": lambda times: times.dt.day_of_week + 1,
    "hour": lambda times: times.dt.hour,
}
"""Features that derive from a time."""


@dataclass(frozen=True)
class Time:
    """The time column; `parse` has the arguments of `pd.to_datetime`, with `{column}` for the column."""

    source: str
    name: str
    parse: str
    parts: tuple[str, ...]
    """Features that derive from it: `weekday`, `hour`."""


def examine(values: pd.Series, name: str) -> tuple[Time, pd.Series]:
    """Return the time column for `values`, and its times in UTC. Raises UserError for a value that is not a time."""
    source, values = str(values.name), values.convert_dtypes()
    if values.isna().any():
        raise DataError(
            f"{source}: missing in {values.isna().sum()} rows, first in row {int(values.isna().argmax())}; every row"
            " needs a time, so drop these rows or fill it in"
        )
    parse, times = _read(values, source)
    parts = [part for part, of in PARTS.items() if of(times).nunique() > 1]
    if times.nunique() < 2 or times.dt.month.nunique() == times.dt.day.nunique() == 1:
        parts = []
    return Time(source, name, parse, tuple(parts)), times


def require_older(times: pd.Series, source: str) -> None:
    """Raise UserError where nearly all rows have the newest time: rows of one time are on one side of the split."""
    start = times.sort_values().iloc[int(len(times) * (1 - TEST_RATIO))]
    if (times < start).sum() < TRAIN_ROWS_MIN:
        raise DataError(
            f"{source}: {(times == start).sum():,} of {len(times):,} rows have the time {start:%Y-%m-%d %H:%M}, and"
            f" {(times < start).sum()} an earlier one; too few to train on, so leave out --time"
        )


def _read(values: pd.Series, source: str) -> tuple[str, pd.Series]:
    if pd.api.types.is_integer_dtype(values):
        if not values.between(*YEARS).all():
            raise DataError(f"{source}: {values.iloc[0]} is neither a year nor a date; write dates such as 2026-01-31")
        return '{column}.astype(str), format="%Y", utc=True', pd.to_datetime(values.astype(str), format="%Y", utc=True)
    for option in ("", "dayfirst=True, "):
        try:
            with warnings.catch_warnings(record=True) as caught:  # warnings of ambiguous days and months
                warnings.simplefilter("always")
                times = pd.to_datetime(values, dayfirst=bool(option), utc=True)
        except (ValueError, TypeError):
            continue
        if caught:
            continue
        return f"{{column}}, {option}utc=True", times
    at = _first_invalid(values)
    raise DataError(
        f"{source}: {str(values.iloc[at])[:40]!r} in row {at} is not a date that pandas can parse;"
        " write it as 2026-01-31 13:45"
    )


def _first_invalid(values: pd.Series) -> int:
    """Return the row of the first invalid date, in the format with the most valid dates; 0 for mixed formats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = [pd.to_datetime(values, dayfirst=day, utc=True, errors="coerce") for day in (False, True)]
    invalid = min((times.isna().to_numpy() for times in parsed), key=lambda missing: missing.sum())
    return int(invalid.argmax())
