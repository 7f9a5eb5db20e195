"""Removal of the rows of one data subject from the content of a file; every other row stays, in CSV byte for byte."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import problem
from slipway.errors import UnreadableFileError
from slipway.schema.csv_file import SUFFIXES, Dialect, is_csv, is_tsv

if TYPE_CHECKING:
    from collections.abc import Iterator

PARQUET = ".parquet"


def without_subject(name: str, content: bytes, column: str, key: str) -> tuple[bytes, int | None]:
    """Return the content of the file `name` without the rows whose `column` is `key`, and the number of those rows.

    The number is None for a file without that column. Raises UnreadableFileError for a format that is neither Parquet
    nor CSV.
    """
    try:
        if name.endswith(PARQUET):
            return _parquet(content, column, key)
        if is_csv(Path(name)):
            return _csv(Path(name), content, column, key)
    except (OSError, EOFError, ValueError, csv.Error, pa.ArrowException) as error:
        raise UnreadableFileError(
            f"{name}: cannot be read ({str(error).splitlines()[0]}); nothing was changed; fix or remove this version"
        ) from None
    raise UnreadableFileError(
        f"{name}: not one of {', '.join((*SUFFIXES, PARQUET))}; `slipway erase` cannot read it; nothing was changed"
    )


def equals(values: pa.ChunkedArray, key: str) -> pa.ChunkedArray:
    """Return where `values` are `key` as text; a missing value never is."""
    return pc.fill_null(pc.equal(pc.cast(values, pa.string()), key), False)


def _parquet(content: bytes, column: str, key: str) -> tuple[bytes, int | None]:
    file = pq.ParquetFile(io.BytesIO(content))
    if column not in file.schema_arrow.names:
        return content, None
    table = file.read()
    matches = equals(table[column], key)
    count = pc.sum(matches).as_py() or 0
    if not count:
        return content, 0
    groups = file.metadata.num_row_groups
    first = file.metadata.row_group(0)
    buffer = io.BytesIO()
    pq.write_table(
        table.filter(pc.invert(matches)),
        buffer,
        compression=first.column(0).compression,
        row_group_size=first.num_rows if groups > 1 else None,
    )
    return buffer.getvalue(), count


def _csv(path: Path, content: bytes, column: str, key: str) -> tuple[bytes, int | None]:
    dialect = getattr(problem, "CSV", Dialect())
    separator = "\t" if is_tsv(path, dialect) else dialect.separator
    is_packed = path.name.lower().endswith(".gz")
    text = (gzip.decompress(content) if is_packed else content).decode(dialect.encoding)
    rows = _records(text, separator)
    header, names = next(rows, ("", []))
    plain = [name.removeprefix("\ufeff").strip() for name in names]
    if column not in plain:
        return content, None
    place, kept, count = plain.index(column), [header], 0
    for line, fields in rows:
        if place < len(fields) and fields[place].strip() == key:
            count += 1
        else:
            kept.append(line)
    if not count:
        return content, 0
    remaining = "".join(kept).encode(dialect.encoding)
    return (gzip.compress(remaining, mtime=0) if is_packed else remaining), count


def _records(text: str, separator: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each record of a CSV file as its text and its fields; a quoted field may span several lines."""
    consumed: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            consumed.append(line)
            yield line

    for fields in csv.reader(lines(), delimiter=separator, strict=True):
        yield "".join(consumed), fields
        consumed.clear()
