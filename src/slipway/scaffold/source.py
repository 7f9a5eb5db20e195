"""Reader of the table that a fork starts from: a CSV or a Parquet file."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway.errors import ArgumentError, DataError, MissingFileError, UnreadableFileError
from slipway.scaffold import kinds
from slipway.schema import csv_file
from slipway.schema.csv_file import CsvError, Dialect

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

PARQUET = ".parquet"
ROWS_MIN = 100  # labeled rows; fewer leave too few test rows to distinguish two models
COLUMNS_MAX = 5  # columns that an error lists


@dataclass(frozen=True)
class ReadOptions:
    """The user's options for reading the file."""

    dialect: Dialect = field(default_factory=Dialect)
    text: tuple[str, ...] = ()
    """Columns of CSV that are text, even if they look like numbers or flags."""
    values: tuple[str, ...] = ()
    """Numbers that are values, even if they look like a sentinel."""

    def __post_init__(self) -> None:
        """Raise UserError for a value that is not a number."""
        for value in self.values:
            if not re.fullmatch(csv_file.NUMBER_PATTERN, value):
                raise ArgumentError(f"--value {value!r}: is not a number; --value keeps a number such as -999")


def dialect(
    separator: str, decimal: str, thousands: str, symbols: tuple[str, ...], missing: tuple[str, ...], encoding: str
) -> Dialect:
    """Return the dialect for the options of `slipway new`. Raises UserError for an invalid option."""
    separator = separator.replace("\\t", "\t")
    for option, character in (("separator", separator), ("decimal", decimal)):
        if len(character) != 1:
            raise ArgumentError(f"--{option} {character!r}: must be one character")
    if separator in {decimal, thousands} or decimal == thousands:
        raise ArgumentError(f"--separator {separator!r}, --decimal {decimal!r}, --thousands {thousands!r}: must differ")
    if len(thousands) > 1:
        raise ArgumentError(f"--thousands {thousands!r}: must be one character")
    if "" in symbols:
        raise ArgumentError("--symbol '': must have a character")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ArgumentError(
            f"--encoding {encoding!r}: unknown encoding; set utf-8, cp1252, latin-1 or utf-16"
        ) from None
    return Dialect(separator, decimal, thousands, symbols, missing, encoding)


def read(path: Path, options: ReadOptions = ReadOptions()) -> pd.DataFrame:
    """Return the rows of the file at `path`. Raises UserError where it is missing, unreadable or of another format."""
    if path.is_dir():
        raise ArgumentError(f"{path}: a folder; write the rows of its files into one .csv or .parquet file")
    if not csv_file.is_csv(path) and path.suffix.lower() != PARQUET:
        suffixes = ", ".join([*csv_file.SUFFIXES, PARQUET])
        raise ArgumentError(f"{path}: not one of {suffixes}; save the table in one of these formats")
    if not path.is_file():
        raise MissingFileError(f"{path}: not found")
    frame = _csv(path, options) if csv_file.is_csv(path) else _parquet(path, options.dialect)
    kinds.refuse_sentinels(path, frame, options.values)
    return frame


def _csv(path: Path, options: ReadOptions) -> pd.DataFrame:
    try:
        strings = csv_file.read_strings(path, options.dialect)
        kind_of = kinds.of_table(path, strings, options.dialect, options.text)
        return csv_file.typed_frame(path, strings, kind_of, options.dialect)
    except CsvError as error:
        raise DataError(str(error)) from None


def _parquet(path: Path, dialect: Dialect) -> pd.DataFrame:
    try:
        return csv_file.read_parquet(path, dialect)
    except Exception as error:  # noqa: BLE001  the user has to fix the file for any error of the reader
        raise UnreadableFileError(f"{path}: cannot be read ({str(error).strip().splitlines()[0]})") from None


def require(frame: pd.DataFrame, path: Path, columns: list[str]) -> None:
    """Raise UserError when `frame` lacks one of `columns`, or has too few rows."""
    for column in columns:
        if column not in frame:
            names = ", ".join(map(repr, list(frame)[:COLUMNS_MAX])) + (", …" if len(list(frame)) > COLUMNS_MAX else "")
            raise DataError(f"{path}: no column {column!r}; it has {names}")
    if len(frame) < ROWS_MIN:
        raise DataError(f"{path}: {len(frame)} rows; {ROWS_MIN} or more are needed to train and to compare")
