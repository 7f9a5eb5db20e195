"""When each row happened, and what of it a model may see: the weekday and the hour."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from slipway.errors import UserError

YEARS = (1700, 2200)  # a whole number between these is a year


@dataclass(frozen=True)
class Time:
    """The time column; `parse` is the expression that reads it, out of the column `{column}`."""

    source: str
    name: str
    parse: str
    parts: tuple[str, ...]
    """Features that are made of it: `weekday`, `hour`."""


def examine(values: pd.Series, name: str) -> tuple[Time, pd.Series]:
    """The time column in `values`, and its times in UTC. Raises UserError for a value that is no time."""
    source, values = str(values.name), values.convert_dtypes()
    if values.isna().any():
        raise UserError(
            f"{source}: missing in {values.isna().sum()} rows; every row needs a time, so drop or fill them"
        )
    parse, times = _read(values, source)
    parts = [part for part, kept in (("weekday", times.dt.day_of_week), ("hour", times.dt.hour)) if kept.nunique() > 1]
    if times.nunique() < 2 or times.dt.month.nunique() == times.dt.day.nunique() == 1:
        parts = []
    return Time(source, name, parse, tuple(parts)), times


def _read(values: pd.Series, source: str) -> tuple[str, pd.Series]:
    if pd.api.types.is_integer_dtype(values):
        if not values.between(*YEARS).all():
            raise UserError(f"{source}: {values.iloc[0]} is no year and no date; write dates, such as 2026-01-31")
        return '{column}.astype(str), format="%Y", utc=True', pd.to_datetime(values.astype(str), format="%Y", utc=True)
    for option in ("", "dayfirst=True, "):
        try:
            with warnings.catch_warnings(record=True) as doubts:  # of days and months that may be swapped
                warnings.simplefilter("always")
                times = pd.to_datetime(values, dayfirst=bool(option), utc=True)
        except (ValueError, TypeError):
            continue
        if doubts:
            continue
        return f"{{column}}, {option}utc=True", times
    at = _first_unread(values)
    raise UserError(
        f"{source}: {str(values.iloc[at])[:40]!r} in row {at} is no date that pandas reads;"
        " write it as 2026-01-31 13:45"
    )


def _first_unread(values: pd.Series) -> int:
    """The row of the first value that is no date, in the notation that reads most of them; row 0 if all are, mixed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = [pd.to_datetime(values, dayfirst=day, utc=True, errors="coerce") for day in (False, True)]
    unread = min((times.isna().to_numpy() for times in read), key=lambda missing: missing.sum())
    return int(unread.argmax())
