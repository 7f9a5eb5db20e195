"""Readers and writers of Parquet and CSV files: chunked reading in bounded memory, and atomic writing.

CSV is parsed by the rules of `slipway.schema.csv_file`, like in `slipway new` and its `next_batch`. Columns that are
numbers in `Row` are parsed directly as numbers, unless the file has other values in them.
"""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from slipway.errors import ArgumentError, DataError, MissingFileError, UnreadableFileError, UserError
from slipway.files import make_folder, move
from slipway.schema import columns as schema
from slipway.schema import csv_file
from slipway.schema.csv_file import CsvError, Dialect, is_csv
from slipway.schema.fields import fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydantic import BaseModel

    from slipway.schema.columns import Column

BUFFER_BYTES = 1_000_000  # read-ahead per column of a Parquet file, instead of a complete row group
WRITERS = {".parquet": pq.ParquetWriter, ".csv": pacsv.CSVWriter}

InvalidNumbers = dict[str, dict[int, str]]
"""Strings of a CSV file in a column of numbers, by column and row."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a file."""

    number: int
    start: int
    """Index of its first row in the file, from 0."""
    raw: pa.RecordBatch
    """Columns as in the file."""
    columns: pa.RecordBatch
    """The columns of `Row` that the file has."""
    invalid: InvalidNumbers = field(default_factory=dict)
    read_fraction: float = 1.0
    """Fraction of the file up to the end of this chunk."""
    is_text: bool = False
    """Whether all columns of the file are strings."""


def read(path: Path, row: type[BaseModel], rows: int, dialect: Dialect) -> Iterator[Chunk]:
    """Yield chunks of at most `rows` rows of the file at `path`. An empty file has one empty chunk.

    Raises UserError if the file cannot be read, or has a column of a type that no request can have.
    """
    columns, start = schema.columns(row), 0
    booleans = {field.name for field in fields(row).values() if field.type == "boolean"}
    numbers = [column.name for column in columns if column.kind == "number" and column.name not in booleans]
    categories = [column.name for column in columns if column.kind == "category"]
    try:
        for number, (raw, fraction) in enumerate(_batches(path, numbers, categories, rows, dialect)):
            if number == 0:
                _refuse_types(path, raw, columns)
            yield Chunk(number, start, raw, *_parsed(raw, columns, booleans, dialect), fraction, is_csv(path))
            start += len(raw)
    except CsvError as error:
        raise DataError(str(error)) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def refuse_unreadable(path: Path) -> None:
    """Raise UserError if the suffix of the name is not that of a readable format."""
    if not is_csv(path) and path.suffix != ".parquet":
        raise ArgumentError(
            f"{path}: not one of {', '.join([*csv_file.SUFFIXES, '.parquet'])}; choose the format by the suffix"
        )


def refuse_suffix(path: Path) -> None:
    """Raise UserError if the suffix of the name is not that of a writable format."""
    if path.suffix not in WRITERS:
        raise ArgumentError(f"{path}: neither {' nor '.join(WRITERS)}; choose the format by the suffix")


def schema_of(path: Path, dialect: Dialect) -> pa.Schema:
    """Return the schema of the file at `path`. Raises UserError if it cannot be read or repeats a name."""
    refuse_unreadable(path)
    if not path.exists():
        raise MissingFileError(f"{path}: not found; enter the path of a file with rows")
    try:
        result = _schema(path, dialect)
    except CsvError as error:
        raise DataError(str(error)) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    if repeated := [name for name in result.names if result.names.count(name) > 1]:
        raise DataError(f"{path}: column {repeated[0]} is repeated; rename one")
    return result


def _schema(path: Path, dialect: Dialect) -> pa.Schema:
    if not is_csv(path):
        return pq.read_schema(path)
    with csv_file.explained(path, dialect), csv_file.open_csv(path, dialect) as reader:
        return reader.schema


def _unreadable(path: Path, error: Exception) -> UserError:
    return UnreadableFileError(
        f"{path}: cannot be read ({str(error).splitlines()[0]}); fix the file, or write it again"
    )


def _batches(
    path: Path, numbers: list[str], categories: list[str], rows: int, dialect: Dialect
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield batches, each with the fraction of the file up to its end."""
    empty = True
    batches = _csv(path, numbers, rows, dialect) if is_csv(path) else _parquet(path, categories, rows)
    for batch in batches:
        empty = False
        yield batch
    if empty:
        yield pa.RecordBatch.from_pylist([], schema=_schema(path, dialect)), 1.0


def _parquet(path: Path, categories: list[str], rows: int) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield batches per row group, because a reader of all row groups keeps the strings of each in memory."""
    with pq.ParquetFile(path, read_dictionary=categories, buffer_size=BUFFER_BYTES) as file:
        done = 0
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, row_groups=[group], use_threads=False):
                done += len(batch)
                yield batch, done / file.metadata.num_rows


def _csv(path: Path, numbers: list[str], rows: int, dialect: Dialect) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield batches with `numbers` as float64. From the first batch with another value on, yield strings.

    The batches have the same rows in both cases.
    """
    done = 0
    with suppress(_NotANumberError):
        for batch in _grouped(path, numbers if dialect.is_plain else [], rows, dialect):
            yield batch
            done += 1
        return
    yield from islice(_grouped(path, [], rows, dialect), done, None)


class _NotANumberError(Exception):
    """A string in a column of numbers."""


def _grouped(path: Path, numbers: list[str], rows: int, dialect: Dialect) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the rows of a CSV file in batches of `rows` rows; the last one may have fewer."""
    size, blocks = path.stat().st_size, []
    with path.open("rb") as file, csv_file.explained(path, dialect), _numbers_only(numbers):
        for block in csv_file.open_csv(path, dialect, numbers, file):
            blocks.append(block)
            while sum(map(len, blocks)) >= rows:
                combined = pa.concat_batches(blocks)
                blocks = [combined.slice(rows)]
                yield combined.slice(0, rows), file.tell() / size
    if any(map(len, blocks)):
        yield pa.concat_batches(blocks), 1.0


@contextmanager
def _numbers_only(numbers: list[str]) -> Iterator[None]:
    """Replace Arrow's error for a string in a column of `numbers` by _NotANumberError."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if numbers and "conversion error to double" in str(error):
            raise _NotANumberError from None
        raise


def _refuse_types(path: Path, raw: pa.RecordBatch, columns: list[Column]) -> None:
    for column in columns:
        kind = raw.column(column.name).type if column.name in raw.schema.names else pa.null()
        if not _fits(kind, column.kind, path.suffix):
            expected = {"number": "numbers", "category": "strings"}[column.kind]
            raise DataError(f"{path}: column {column.name} has type {kind}; it must contain {expected}")


def _fits(kind: pa.DataType, expected: str, suffix: str) -> bool:
    types = pa.types
    kind = _value_type(kind)
    if types.is_null(kind):
        return True
    if expected == "category":
        return any(test(kind) for test in (types.is_string, types.is_large_string, types.is_string_view))
    if suffix == ".csv" and types.is_string(kind):
        return True
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean))


def _parsed(
    raw: pa.RecordBatch, columns: list[Column], booleans: set[str], dialect: Dialect
) -> tuple[pa.RecordBatch, InvalidNumbers]:
    """Return the columns of `Row`, with strings parsed as numbers, and the strings that are not numbers."""
    arrays: dict[str, pa.Array] = {}
    invalid: InvalidNumbers = {}
    for column in columns:
        if column.name not in raw.schema.names:
            continue
        array = raw.column(column.name)
        if column.kind == "number" and pa.types.is_string(array.type):
            parse = csv_file.parse_flags if column.name in booleans else csv_file.parse_numbers
            array, invalid[column.name] = parse(array, dialect)
        elif pa.types.is_string(array.type):
            array = csv_file.without_empty(array)
        elif pa.types.is_floating(array.type):
            array = csv_file.without_sentinels(array, dialect)
        arrays[column.name] = array
    return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays)), invalid


def write(path: Path, scratch: Path, tables: Iterable[pa.Table], metadata: dict[str, str]) -> int:
    """Write `tables`, one or more of equal schema, to `path` atomically, and return the number of rows.

    The file is written in the folder `scratch` first.
    """
    rows, temporary = 0, scratch / f"whole{path.suffix}"
    decoded = (_decoded(table).replace_schema_metadata(metadata) for table in tables)
    first = next(decoded)
    with WRITERS[path.suffix](temporary, first.schema) as writer:
        for table in chain([first], decoded):
            writer.write_table(table)
            rows += len(table)
    make_folder(path.parent)
    move(temporary, path)
    return rows


def as_text(table: pa.Table) -> pa.Table:
    """Return the table with every column as strings."""
    return table.cast(pa.schema([pa.field(name, pa.string()) for name in table.column_names]))


def _decoded(table: pa.Table) -> pa.Table:
    """Return the table without dictionary encoding."""
    return table.cast(pa.schema([pa.field(column.name, _value_type(column.type)) for column in table.schema]))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def refuse_unwritable(path: Path, columns: list[pa.Field]) -> None:
    """Raise UserError if the suffix of `path` names no format, or the format does not support one of `columns`."""
    refuse_suffix(path)
    for column in columns if path.suffix == ".csv" else ():
        try:
            pacsv.write_csv(pa.schema([pa.field(column.name, _value_type(column.type))]).empty_table(), io.BytesIO())
        except (pa.ArrowException, NotImplementedError):
            raise DataError(
                f"{path}: CSV does not support column {column.name} of type {column.type}; write .parquet"
            ) from None
