"""Reader of the table that a fork starts from: a CSV or a Parquet file, or a folder of files of one format."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from slipway.errors import ArgumentError, DataError, MissingFileError, UnreadableFileError
from slipway.scaffold import kinds
from slipway.schema import csv_file
from slipway.schema.csv_file import CsvError, Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TypeAlias

    Part: TypeAlias = pa.Table | pd.DataFrame

PARQUET = ".parquet"
ROWS_MIN = 100  # labeled rows; fewer leave too few test rows to distinguish two models
TYPE_LENGTH_MAX = 60  # characters of a type in an error
COLUMNS_MAX = 5  # columns that an error lists


@dataclass(frozen=True)
class ReadOptions:
    """The user's options for reading the file."""

    dialect: Dialect = field(default_factory=Dialect)
    text: tuple[str, ...] = ()
    """Columns of CSV that are text, even if they look like numbers or flags."""
    values: tuple[str, ...] = ()
    """Numbers that are values, even if they look like a sentinel."""

    @property
    def only_for_csv(self) -> str:
        """Name of an option that Parquet leaves no use for; empty for none."""
        plain, names = vars(Dialect(missing=self.dialect.missing)), {"symbols": "symbol"}
        changed = [names.get(name, name) for name, value in vars(self.dialect).items() if value != plain[name]]
        return "text" if self.text else next(iter(changed), "")

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
    """Return the rows of the file at `path`, or of all files in the folder, in order of name.

    Raises UserError where a file is missing, unreadable, of another format, or has other columns than the first.
    """
    files = _files(path) if path.is_dir() else [_supported(path)]
    parts = [_part(file, options.dialect) for file in files]
    names = _names(parts[0])
    for file, part in zip(files, parts, strict=True):
        if different := sorted(set(names) ^ set(_names(part))):
            raise DataError(
                f"{file}: has other columns than {files[0].name}: {different[0]!r}; give all files the same"
            )
    try:
        frame = _frame(path, parts, options, files)
        kinds.refuse_sentinels(path, frame, options.values)
    except CsvError as error:
        raise DataError(f"{error}{_place(error.row, files, parts)}") from None
    return frame


def _supported(path: Path) -> Path:
    if not csv_file.is_csv(path) and path.suffix.lower() != PARQUET:
        suffixes = ", ".join([*csv_file.SUFFIXES, PARQUET])
        raise ArgumentError(f"{path}: not one of {suffixes}; save the table in one of these formats")
    if not path.is_file():
        raise MissingFileError(f"{path}: not found")
    return path


def _files(folder: Path) -> list[Path]:
    """Return the tables in `folder`, sorted by name. Raises UserError unless all others are hidden.

    Names with an underscore are hidden too, such as `_SUCCESS`, which Spark writes.
    """
    files = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    if not files:
        raise MissingFileError(f"{folder}: an empty folder; put the files of the table there")
    for path in files:
        if path.is_dir():
            raise ArgumentError(f"{path}: a folder in a folder; put all files of the table in one folder")
        _supported(path)
    formats = {csv_file.is_csv(path) for path in files}
    if len(formats) > 1:
        raise ArgumentError(f"{folder}: has CSV and Parquet files; convert them to one of the formats")
    return files


def _part(file: Path, dialect: Dialect) -> Part:
    """Return the content of a file: the strings of a CSV file, or the typed columns of a Parquet file."""
    try:
        return csv_file.read_strings(file, dialect) if csv_file.is_csv(file) else csv_file.read_parquet(file, dialect)
    except CsvError as error:
        raise DataError(str(error)) from None
    except Exception as error:  # noqa: BLE001  the user has to fix the file for any error of the reader
        raise UnreadableFileError(f"{file}: cannot be read ({str(error).strip().splitlines()[0]})") from None


def _names(part: Part) -> list[str]:
    return list(map(str, part.columns if isinstance(part, pd.DataFrame) else part.column_names))


def _joined(frames: Sequence[pd.DataFrame], files: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of all frames. Raises UserError for a column of another type than in the first with values."""
    for column in frames[0]:
        types = {file: _type(frame[column]) for file, frame in zip(files, frames, strict=True)}
        first = next((file for file, kind in types.items() if kind), None)
        for file, kind in types.items():
            if first and kind and kind != types[first]:
                raise DataError(
                    f"{file}: {column}: has {kind}, and {first.name} {types[first]}; give all files the same type"
                )
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


def _type(values: pd.Series) -> str:
    """Return the type of a column as text; empty without a value, which fits every type."""
    if values.isna().all():
        return ""
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = ", ".join(map(str, values.cat.categories))[:TYPE_LENGTH_MAX]
        return f"the ordered categories {categories}" if values.cat.ordered else "strings"
    kinds = pd.api.types
    if kinds.is_bool_dtype(values):
        return "flags"
    if kinds.is_numeric_dtype(values):
        return "numbers"
    if kinds.is_datetime64_any_dtype(values):
        return "times without a zone" if getattr(values.dtype, "tz", None) is None else "times with a zone"
    return "strings" if kinds.infer_dtype(values, skipna=True) == "string" else f"values of {kinds.infer_dtype(values)}"


def _frame(path: Path, parts: Sequence[Part], options: ReadOptions, files: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of all parts, with the kinds and types that fit all of them."""
    if frames := [part for part in parts if isinstance(part, pd.DataFrame)]:  # all, or none: they have one format
        if unused := options.only_for_csv:
            raise ArgumentError(f"{path}: --{unused}: is for CSV; Parquet has types, so change that of the column")
        return _joined(frames, files)
    tables = [part for part in parts if isinstance(part, pa.Table)]
    strings = pa.concat_tables([table.select(tables[0].column_names) for table in tables])
    kind_of = kinds.of_table(path, strings, options.dialect, options.text)
    return csv_file.typed_frame(path, strings, kind_of, options.dialect)


def _place(row: int | None, files: Sequence[Path], parts: Sequence[Part]) -> str:
    """Return where `row` of all parts is, as the end of an error message; empty for a single file."""
    if row is None or len(files) == 1:
        return ""
    starts = [0, *accumulate(len(part) for part in parts)]
    number = bisect_right(starts, row) - 1
    return f" (row {row - starts[number]} of {files[number].name})"


def require(frame: pd.DataFrame, path: Path, columns: list[str]) -> None:
    """Raise UserError when `frame` lacks one of `columns`, or has too few rows."""
    for column in columns:
        if column not in frame:
            names = ", ".join(map(repr, list(frame)[:COLUMNS_MAX])) + (", …" if len(list(frame)) > COLUMNS_MAX else "")
            raise DataError(f"{path}: no column {column!r}; it has {names}")
    if len(frame) < ROWS_MIN:
        raise DataError(f"{path}: {len(frame)} rows; {ROWS_MIN} or more are needed to train and to compare")
