"""Files of rows, Parquet or CSV: read in chunks that fit in memory, and written so that they appear whole or never.

CSV is read by the rules of `slipway.csv_file`, as `slipway new` and its `next_batch` read it. Columns that `Row` has as
numbers are read as such, directly where a file has nothing else in them.
"""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from slipway import csv_file, schema
from slipway.csv_file import CsvError, Dialect, is_csv
from slipway.errors import UserError
from slipway.fields import fields
from slipway.files import make_folder, move

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydantic import BaseModel

    from slipway.schema import Column

BUFFER = 1_000_000  # bytes of each column of a Parquet file read ahead, so that a large row group is not held whole
WRITERS = {".parquet": pq.ParquetWriter, ".csv": pacsv.CSVWriter}

Odd = dict[str, dict[int, str]]
"""Texts of a CSV file where a number should be, by column and row."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, in its order."""

    number: int
    start: int
    """Number of its first row in the file, from 0."""
    raw: pa.RecordBatch
    """As they stand in the file."""
    columns: pa.RecordBatch
    """The columns of `Row` that the file has."""
    odd: Odd = field(default_factory=dict)
    share: float = 1.0
    """Of the file that is read when this chunk is."""
    is_text: bool = False
    """Whether the file holds texts alone."""


def read(path: Path, row: type[BaseModel], rows: int, dialect: Dialect) -> Iterator[Chunk]:
    """Read the file at `path`: of Parquet, `rows` rows at a time. An empty file has one empty chunk.

    Raises UserError when it cannot be read, or has a column of a type that no request could carry.
    """
    columns, start = schema.columns(row), 0
    booleans = {name for name, about in fields(row).items() if about.get("type") == "boolean"}
    numbers = [column.name for column in columns if column.kind == "number" and column.name not in booleans]
    categories = [column.name for column in columns if column.kind == "category"]
    try:
        for number, (raw, share) in enumerate(_batches(path, numbers, categories, rows, dialect)):
            if number == 0:
                _refuse_types(path, raw, columns)
            yield Chunk(number, start, raw, *_parsed(raw, columns, booleans, dialect), share, is_csv(path))
            start += len(raw)
    except CsvError as error:
        raise UserError(str(error)) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def refuse_unreadable(path: Path) -> None:
    """Raise UserError when the name does not end as that of a file that can be read here."""
    if not is_csv(path) and path.suffix != ".parquet":
        raise UserError(
            f"{path}: not one of {', '.join([*csv_file.SUFFIXES, '.parquet'])}; name the format by the ending"
        )


def refuse_suffix(path: Path) -> None:
    """Raise UserError when the name does not end as that of a file that can be written here."""
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: neither {' nor '.join(WRITERS)}; name the format by the ending")


def schema_of(path: Path, dialect: Dialect) -> pa.Schema:
    """Columns of the file at `path`. Raises UserError when it cannot be read, or has a name twice."""
    refuse_unreadable(path)
    if not path.exists():
        raise UserError(f"{path}: not found; name a file of rows")
    try:
        found = _schema(path, dialect)
    except CsvError as error:
        raise UserError(str(error)) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    if twice := [name for name in found.names if found.names.count(name) > 1]:
        raise UserError(f"{path}: has the column {twice[0]} twice; rename one")
    return found


def _schema(path: Path, dialect: Dialect) -> pa.Schema:
    if not is_csv(path):
        return pq.read_schema(path)
    with csv_file.explained(path, dialect), csv_file.open_csv(path, dialect) as reader:
        return reader.schema


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read ({str(error).splitlines()[0]}); mend the file, or write it again")


def _batches(
    path: Path, numbers: list[str], categories: list[str], rows: int, dialect: Dialect
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Batches, and the share of the file that was read by then."""
    empty = True
    found = _csv(path, numbers, rows, dialect) if is_csv(path) else _parquet(path, categories, rows)
    for batch in found:
        empty = False
        yield batch
    if empty:
        yield pa.RecordBatch.from_pylist([], schema=_schema(path, dialect)), 1.0


def _parquet(path: Path, categories: list[str], rows: int) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Batches of each row group by itself: one reader for all of them keeps what it has read of texts."""
    with pq.ParquetFile(path, read_dictionary=categories, buffer_size=BUFFER) as file:
        done = 0
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(rows, row_groups=[group], use_threads=False):
                done += len(batch)
                yield batch, done / file.metadata.num_rows


def _csv(path: Path, numbers: list[str], rows: int, dialect: Dialect) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Batches in which `numbers` are float64; from the first on in which one is not, all of them are text.

    A text that is no number ends the reading of numbers, but the batches have the same rows either way.
    """
    done = 0
    with suppress(_NoNumberError):
        for batch in _grouped(path, numbers if dialect.is_plain else [], rows, dialect):
            yield batch
            done += 1
        return
    yield from islice(_grouped(path, [], rows, dialect), done, None)


class _NoNumberError(Exception):
    """Stands in a column of numbers."""


def _grouped(path: Path, numbers: list[str], rows: int, dialect: Dialect) -> Iterator[tuple[pa.RecordBatch, float]]:
    """What the blocks of a CSV file hold, in batches of `rows` rows; the last one has what is left."""
    size, held = path.stat().st_size, []
    with path.open("rb") as file, csv_file.explained(path, dialect), _told_apart(numbers):
        for block in csv_file.open_csv(path, dialect, numbers, file):
            held.append(block)
            while sum(map(len, held)) >= rows:
                whole = pa.concat_batches(held)
                held = [whole.slice(rows)]
                yield whole.slice(0, rows), file.tell() / size
    if any(map(len, held)):
        yield pa.concat_batches(held), 1.0


@contextmanager
def _told_apart(numbers: list[str]) -> Iterator[None]:
    """Raise _NoNumberError where Arrow finds a text in a column of `numbers`, in place of its own error."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if numbers and "conversion error to double" in str(error):
            raise _NoNumberError from None
        raise


def _refuse_types(path: Path, raw: pa.RecordBatch, columns: list[Column]) -> None:
    for column in columns:
        kind = raw.column(column.name).type if column.name in raw.schema.names else pa.null()
        if not _fits(kind, column.kind, path.suffix):
            words = {"number": "numbers", "category": "texts"}[column.kind]
            raise UserError(f"{path}: column {column.name} is of type {kind}; write {words} into it")


def _fits(kind: pa.DataType, wanted: str, suffix: str) -> bool:
    types = pa.types
    kind = _value_type(kind)
    if types.is_null(kind):
        return True
    if wanted == "category":
        return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if suffix == ".csv" and types.is_string(kind):
        return True
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean))


def _parsed(
    raw: pa.RecordBatch, columns: list[Column], booleans: set[str], dialect: Dialect
) -> tuple[pa.RecordBatch, Odd]:
    """The columns of `Row`, with texts read as numbers where they are such, and the texts that are not."""
    found, odd = {}, {}
    for column in columns:
        if column.name not in raw.schema.names:
            continue
        array = raw.column(column.name)
        if column.kind == "number" and pa.types.is_string(array.type):
            parse = csv_file.parse_flags if column.name in booleans else csv_file.parse_numbers
            array, odd[column.name] = parse(array, dialect)
        elif pa.types.is_string(array.type):
            array = csv_file.without_empty(array)
        elif pa.types.is_floating(array.type):
            array = csv_file.without_sentinels(array, dialect)
        found[column.name] = array
    return pa.RecordBatch.from_arrays(list(found.values()), list(found)), odd


def write(path: Path, scratch: Path, parts: Iterable[pa.Table], metadata: dict[str, str]) -> int:
    """Write tables of one schema to `path`, by way of a file in `scratch`; returns the number of rows."""
    rows, writer, aside = 0, None, scratch / f"whole{path.suffix}"
    for part in parts:
        table = _decoded(part).replace_schema_metadata(metadata)
        writer = writer or WRITERS[path.suffix](aside, table.schema)
        writer.write_table(table)
        rows += len(table)
    writer.close()
    make_folder(path.parent)
    move(aside, path)
    return rows


def as_text(table: pa.Table) -> pa.Table:
    """Every column as text."""
    return table.cast(pa.schema([pa.field(name, pa.string()) for name in table.column_names]))


def _decoded(table: pa.Table) -> pa.Table:
    """Without the codes by which Parquet and pandas keep texts."""
    return table.cast(pa.schema([pa.field(one.name, _value_type(one.type)) for one in table.schema]))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def refuse_unwritable(path: Path, columns: list[pa.Field]) -> None:
    """Raise UserError when the name of `path` tells no format, or the format cannot hold one of `columns`."""
    refuse_suffix(path)
    for one in columns if path.suffix == ".csv" else ():
        try:
            pacsv.write_csv(pa.schema([pa.field(one.name, _value_type(one.type))]).empty_table(), io.BytesIO())
        except (pa.ArrowException, NotImplementedError):
            raise UserError(f"{path}: CSV cannot hold column {one.name} of type {one.type}; write .parquet") from None
