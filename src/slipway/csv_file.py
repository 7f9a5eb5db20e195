"""One reader of CSV files, for every rule by which text becomes a value.

`slipway new`, the `next_batch` that it writes and `slipway score` read a file through this module, so that what one
takes in, the others take in. `slipway new` copies it into the problem, which imports nothing of the engine.

Every field is text first. An empty field is a missing value; `NA`, `None`, `null` and the like are values, unless
`Dialect.missing` names them. A row with more or fewer fields than the header is an error, never shifted. A column
holds numbers, flags (true and false, in any case) or text. Rows are counted from 0, as `slipway score` does.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
BLOCK_BYTES = 1_000_000  # parsed at a time; what fits in a core's cache takes half the time
NUMBER, FLAG, TEXT = "number", "flag", "text"
"""Kinds of a column."""
NUMBER_PATTERN = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:nan|inf|infinity))$"
INTEGER_PATTERN = r"^[+-]?\d+$"
CODE_PATTERN = r"^[+-]?0\d+$"  # a code, whose leading zeros a number would lose
FLOAT_INTEGER_MAX = 2**53  # float64 holds every whole number up to here
VALUE_LENGTH_MAX = 40  # characters of a value that an error quotes


class CsvError(ValueError):
    """A file cannot be read as it is. The message is one line: the file, the column, the value, its row, the fix."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written. `slipway new` has an option for each."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    """Between groups of three digits; empty for none."""
    symbols: tuple[str, ...] = ()
    """Removed from numbers, such as `%` or `$`; the value stays as it is written, 12% is 12."""
    missing: tuple[str, ...] = ()
    """Spellings of a missing value besides the empty field; one that is a number, such as -999, in any notation."""
    encoding: str = "utf-8"

    @property
    def sentinels(self) -> list[float]:
        """Numbers that stand for a missing value."""
        return [float(text) for text in self.missing if re.fullmatch(NUMBER_PATTERN, text)]

    @property
    def is_plain(self) -> bool:
        """Whether Arrow's own parser of numbers reads them all."""
        return not self.thousands and not self.symbols


def is_csv(path: Path) -> bool:
    """Return whether the name ends as that of a CSV file, in upper or lower case."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """Return the name of `path` without the ending that says how to read it."""
    ending = next(
        (one for one in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(one)), path.suffix
    )
    return path.name[: len(path.name) - len(ending)]


def open_csv(
    path: Path, dialect: Dialect, numbers: Collection[str] = (), file: BinaryIO | None = None
) -> pacsv.CSVStreamingReader:
    """Return a reader of blocks of `path`, or of `file`, in which `numbers` are float64 and all other columns text.

    It may raise pyarrow's errors, which `explained` turns into CsvError.
    """
    _refuse_utf16(path, dialect)
    reading = pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=dialect.encoding)
    separator = "\t" if ".tsv" in path.name.lower() and dialect.separator == "," else dialect.separator
    parsing = pacsv.ParseOptions(delimiter=separator, newlines_in_values=True)
    with pacsv.open_csv(_stream(path), reading, parsing) as head:
        types = dict.fromkeys(head.schema.names, pa.string()) | dict.fromkeys(numbers, pa.float64())
    converting = pacsv.ConvertOptions(
        column_types=types,
        null_values=["", *dialect.missing],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        decimal_point=dialect.decimal,
    )
    return pacsv.open_csv(_stream(path, file), reading, parsing, converting)


def _refuse_utf16(path: Path, dialect: Dialect) -> None:
    """Raise CsvError for a file that begins as UTF-16 does; to Arrow every second byte of it is a character."""
    with _stream(path) as stream:
        begins = stream.read(2) in {b"\xff\xfe", b"\xfe\xff"}
    if begins and "16" not in dialect.encoding:
        raise CsvError(
            f"{path}: not {dialect.encoding}; set --encoding of `slipway new`, or `CSV` of the problem, to utf-16"
        )


def _stream(path: Path, file: BinaryIO | None = None) -> pa.NativeFile:
    source = pa.PythonFile(file, "r") if file else pa.OSFile(str(path))
    return pa.CompressedInputStream(source, "gzip") if path.name.lower().endswith(".gz") else source


@contextmanager
def explained(path: Path, dialect: Dialect) -> Iterator[None]:
    """Raise CsvError, with the option to set, for what pyarrow raises on a file that it cannot read."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError, LookupError) as error:
        if isinstance(error, FileNotFoundError):
            raise CsvError(f"{path}: not found") from None
        raise CsvError(f"{path}: {_reason(str(error), dialect)}") from None


def _reason(text: str, dialect: Dialect) -> str:
    line = text.splitlines()[0] if text else "unreadable"
    if fields := re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", line):
        at = f"row {int(fields[1]) - 2}" if fields[1] else "a row"
        more = int(fields[3]) > int(fields[2])
        hint = "remove what is after the last column, such as a comma" if more else "each row needs as many"
        return f"{at} has {fields[3]} fields, the header has {fields[2]}; {hint}"
    if "UTF8" in line or "utf-8" in line or "decode" in line or "iconv" in line:
        return (
            f"not {dialect.encoding}; set --encoding of `slipway new`, or `CSV` of the problem, to cp1252 or what it is"
        )
    if "unknown encoding" in line:
        return f"--encoding {dialect.encoding}: no such encoding; write utf-8, cp1252, latin-1 or utf-16"
    return f"cannot be read ({line}); fix the file, or write it again"


def read_texts(path: Path, dialect: Dialect) -> pa.Table:
    """Return every field of `path` as text, null where it is missing. Raises CsvError."""
    with explained(path, dialect), open_csv(path, dialect) as reader:
        table = reader.read_all()
    names = table.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise CsvError(f"{path}: has the column {twice[0]!r} twice; rename one")
    if len(names) == 1:
        for separator in (";", "\t", "|"):
            if separator in names[0]:
                raise CsvError(f"{path}: one column, {names[0]!r}; set --separator '{separator}'".replace("\t", "\\t"))
    return pa.table({name: without_empty(table[name].combine_chunks()) for name in names})


def without_empty(texts: pa.Array) -> pa.Array:
    """Return `texts` with null for an empty one, which may stand in quotation marks."""
    return pc.if_else(pc.equal(texts, ""), None, texts)


def read(path: Path, dialect: Dialect, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of `path`, each column as of its kind; one without a kind is text. Raises CsvError."""
    return typed_frame(path, read_texts(path, dialect), kinds, dialect)


def typed_frame(path: Path, table: pa.Table, kinds: Mapping[str, str], dialect: Dialect) -> pd.DataFrame:
    """Return the texts in `table` as `read` does. Raises CsvError."""
    return pd.DataFrame(
        {name: typed(path, name, table[name], kinds.get(name, TEXT), dialect) for name in table.column_names}
    )


def typed(path: Path, name: str, texts: pa.ChunkedArray, kind: str, dialect: Dialect) -> pd.Series:
    """Return the column `name` as of its kind. Raises CsvError for a value that is not."""
    array = texts.combine_chunks()
    if kind == TEXT:
        return array.to_pandas(types_mapper={pa.string(): pd.StringDtype()}.get)
    parse = parse_numbers if kind == NUMBER else parse_flags
    values, odd = parse(array, dialect)
    if odd:
        at = min(odd)
        raise CsvError(f"{path}: {name}: {shown(odd[at])} in row {at} is no {kind}; fix the file, or see docs/new.md")
    if kind == NUMBER and _is_whole(array, values):
        values = values.cast(pa.int64())
    dtypes = {pa.float64(): pd.Float64Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return values.to_pandas(types_mapper=dtypes.get)


def _is_whole(texts: pa.Array, values: pa.Array) -> bool:
    """Whether every number is written without a point or an exponent, and float64 holds it."""
    known = values.drop_null()
    if not len(known) or pc.any(pc.match_substring_regex(texts, r"[.eE]|(?i:nan|inf)")).as_py():
        return False
    whole = pc.and_(pc.equal(pc.floor(known), known), pc.less_equal(pc.abs(known), FLOAT_INTEGER_MAX))
    return pc.all(whole).as_py()


def parse_numbers(texts: pa.Array, dialect: Dialect = Dialect()) -> tuple[pa.Array, dict[int, str]]:
    """Return texts as float64, missing where `dialect` says so, and those that are no numbers, by row."""
    texts = without_empty(texts)
    if dialect.missing:  # also in quotation marks, which mean nothing for a number
        texts = pc.if_else(pc.is_in(texts, pa.array(dialect.missing, pa.string())), None, texts)
    plain, odd = _plain(texts, dialect), {}
    try:
        values = plain.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(plain, NUMBER_PATTERN)
        values, odd = pc.if_else(is_number, plain, None).cast(pa.float64()), _others(texts, is_number)
    return without_sentinels(values, dialect), odd


def without_sentinels(values: pa.Array, dialect: Dialect) -> pa.Array:
    """Return numbers with null for those that stand for a missing value."""
    if not dialect.sentinels:
        return values
    return pc.if_else(pc.is_in(values, pa.array(dialect.sentinels, pa.float64())), None, values)


def _plain(texts: pa.Array, dialect: Dialect) -> pa.Array:
    """Numbers of `dialect` as Python writes them; what is none stays something that is none."""
    plain = pc.utf8_trim_whitespace(texts)
    for symbol in dialect.symbols:
        plain = pc.utf8_trim_whitespace(pc.replace_substring(plain, symbol, ""))
    if dialect.thousands:
        group, point = re.escape(dialect.thousands), re.escape(dialect.decimal)
        grouped = pc.match_substring_regex(plain, rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({point}\d*)?$")
        plain = pc.if_else(grouped, pc.replace_substring(plain, dialect.thousands, ""), plain)
    if dialect.decimal != ".":
        foreign = pc.match_substring(plain, ".")
        plain = pc.if_else(foreign, "no number", pc.replace_substring(plain, dialect.decimal, "."))
    return plain


def frame_without_sentinels(frame: pd.DataFrame, dialect: Dialect) -> pd.DataFrame:
    """Return a table that has types, such as one of Parquet, without the numbers that stand for a missing value."""
    numbers = list(frame.select_dtypes("number")) if dialect.sentinels else []
    return frame.assign(**{name: frame[name].mask(frame[name].isin(dialect.sentinels)) for name in numbers})


def parse_flags(texts: pa.Array, dialect: Dialect = Dialect()) -> tuple[pa.Array, dict[int, str]]:
    """Return texts as booleans, and those that are neither true nor false in any case, by row."""
    texts = without_empty(texts)
    if dialect.missing:
        texts = pc.if_else(pc.is_in(texts, pa.array(dialect.missing, pa.string())), None, texts)
    words = pc.utf8_lower(texts)
    is_flag = pc.is_in(words, pa.array(["true", "false", None]))
    return pc.equal(words, "true"), _others(texts, is_flag)


def _others(texts: pa.Array, right: pa.Array) -> dict[int, str]:
    rows = np.flatnonzero(~right.fill_null(True).to_numpy(zero_copy_only=False)).tolist()
    return {row: texts[row].as_py() for row in rows}


def shown(text: str) -> str:
    """Return a value as an error quotes it."""
    return repr(text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…")
