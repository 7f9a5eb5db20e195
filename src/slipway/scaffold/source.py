"""The table that a fork begins with, as it lies there: a CSV or a Parquet file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from slipway import csv_file
from slipway.csv_file import CsvError, Dialect
from slipway.errors import UserError
from slipway.scaffold import kinds

if TYPE_CHECKING:
    from pathlib import Path

PARQUET = ".parquet"
ROWS_MIN = 100  # with a label; fewer leave too few test rows to distinguish two models
SHOWN = 5  # columns that an error names


@dataclass(frozen=True)
class Reading:
    """How the user wants the file to be read."""

    dialect: Dialect = field(default_factory=Dialect)
    text: tuple[str, ...] = ()
    """Columns of CSV that are text, whatever they look like."""
    values: tuple[str, ...] = ()
    """Numbers that are values, although they look like a missing one."""


def dialect(
    separator: str, decimal: str, thousands: str, symbols: tuple[str, ...], missing: tuple[str, ...], encoding: str
) -> Dialect:
    """Return the dialect that the options of `slipway new` name. Raises UserError for an option that is not usable."""
    separator = separator.replace("\\t", "\t")
    for option, mark in (("separator", separator), ("decimal", decimal)):
        if len(mark) != 1:
            raise UserError(f"--{option} {mark!r}: must be one character")
    if separator in {decimal, thousands} or decimal == thousands:
        raise UserError(f"--separator {separator!r}, --decimal {decimal!r}, --thousands {thousands!r}: must differ")
    return Dialect(separator, decimal, thousands, symbols, missing, encoding)


def read(path: Path, reading: Reading = Reading()) -> pd.DataFrame:
    """Read the file at `path`. Raises UserError for one that is not there, not readable, or of another format."""
    if not csv_file.is_csv(path) and path.suffix.lower() != PARQUET:
        endings = ", ".join([*csv_file.SUFFIXES, PARQUET])
        raise UserError(f"{path}: not one of {endings}; save the table as one of them")
    if not path.is_file():
        raise UserError(f"{path}: not found")
    frame = _csv(path, reading) if csv_file.is_csv(path) else _parquet(path, reading.dialect)
    kinds.refuse_sentinels(path, frame, reading.values)
    return frame


def _csv(path: Path, reading: Reading) -> pd.DataFrame:
    try:
        texts = csv_file.read_texts(path, reading.dialect)
        found = kinds.of_table(path, texts, reading.dialect, reading.text)
        return csv_file.typed_frame(path, texts, found, reading.dialect)
    except CsvError as error:
        raise UserError(str(error)) from None


def _parquet(path: Path, dialect: Dialect) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # noqa: BLE001  whatever a reader raises on a broken file is for the user to fix
        raise UserError(f"{path}: cannot be read ({str(error).strip().splitlines()[0]})") from None
    frame = csv_file.frame_without_sentinels(frame, dialect)
    return frame.rename(columns=str).reset_index(drop=True)


def require(frame: pd.DataFrame, path: Path, columns: list[str]) -> None:
    """Raise UserError when `frame` lacks one of `columns`, or has too few rows."""
    for column in columns:
        if column not in frame:
            known = ", ".join(map(repr, list(frame)[:SHOWN])) + (", …" if len(list(frame)) > SHOWN else "")
            raise UserError(f"{path}: no column {column!r}; it has {known}")
    if len(frame) < ROWS_MIN:
        raise UserError(f"{path}: {len(frame)} rows; {ROWS_MIN} or more are needed to train and to compare")
