"""Reader of CSV files, with all rules for the conversion of strings to values.

`slipway new`, the `next_batch` that it writes and `slipway score` read files through this module, so they accept the
same files. `slipway new` copies it into the problem, which imports nothing from the engine.

Every field is read as a string. An empty field is a missing value; `NA`, `None`, `null` and the like are values, unless
`Dialect.missing` lists them. A row with more or fewer fields than the header is an error. A column has numbers, flags
(true and false, in any case) or text. Row numbers start at 0, as in `slipway score`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
HEAD_BYTES = 16  # of a file, which identify its format
FORMATS = {
    b"PK\x03\x04": "a workbook or an archive, not CSV; export the table as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook, not CSV; export the table as CSV",
    b"\x1f\x8b": "compressed; add .gz to its name",
    b"PAR1": "Parquet, not CSV; change its suffix to .parquet",
    b"sep=": "begins with a line for spreadsheets, `sep=`; remove it, and set --separator",
}
"""What to do about a file that begins with these bytes."""
BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
BLOCK_BYTES = 1_000_000  # parsed at a time; a block that fits in a core's cache takes half the time
NUMBER, FLAG, TEXT = "number", "flag", "text"
"""Kinds of a column."""
NUMBER_PATTERN = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:nan|inf|infinity))$"
INTEGER_PATTERN = r"^[+-]?\d+$"
CODE_PATTERN = r"^[+-]?0\d+$"  # a code with leading zeros, which a number would lose
SPACES = "[\u00a0\u2009\u202f]"
"""Spaces that spreadsheets write between groups of digits, where a user types a plain one."""
INTEGER_MAX = 2**63 - 1
FLOAT_INTEGER_MAX = 2**53  # float64 represents every integer up to it
VALUE_LENGTH_MAX = 40  # characters of a value in an error message


class CsvError(ValueError):
    """A file cannot be read. The message is one line with the file, column, value, row and fix.

    `row` is the row that the message names, from 0, or None.
    """

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


@dataclass(frozen=True)
class Dialect:
    """Format of a CSV file. `slipway new` has an option for each field."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    """Separator of groups of three digits; empty for none."""
    symbols: tuple[str, ...] = ()
    """Symbols to remove from numbers, such as `%` or `$`. The value is not scaled: 12% is 12."""
    missing: tuple[str, ...] = ()
    """Spellings of a missing value in addition to the empty field; a number, such as -999, in any notation."""
    encoding: str = "utf-8"

    @property
    def sentinels(self) -> list[float]:
        """Numbers that mean a missing value."""
        return [float(text) for text in self.missing if re.fullmatch(NUMBER_PATTERN, text)]

    @property
    def is_plain(self) -> bool:
        """Whether Arrow's own parser can read all numbers."""
        return not self.thousands and not self.symbols


def is_csv(path: Path) -> bool:
    """Return whether the name has the suffix of a CSV file, in upper or lower case."""
    return path.name.lower().endswith(SUFFIXES)


def is_tsv(path: Path, dialect: Dialect) -> bool:
    """Return whether the suffix makes a tab the separator, because `dialect` has no other one."""
    return path.name.lower().removesuffix(".gz").endswith(".tsv") and dialect.separator == ","


def stem(path: Path) -> str:
    """Return the name of `path` without the suffix of its format."""
    suffixes = sorted(SUFFIXES, key=len, reverse=True)
    suffix = next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def open_csv(
    path: Path, dialect: Dialect, numbers: Collection[str] = (), file: BinaryIO | None = None
) -> pacsv.CSVStreamingReader:
    """Return a reader of the blocks of `path`, or of `file`: `numbers` are float64, all other columns strings.

    Raises pyarrow's errors, which `explained` turns into CsvError.
    """
    _refuse_other_format(path, dialect)
    reading = pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=dialect.encoding)
    separator = "\t" if is_tsv(path, dialect) else dialect.separator
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


def _refuse_other_format(path: Path, dialect: Dialect) -> None:
    """Raise CsvError for a file of another format, and for UTF-16 or UTF-32, which Arrow would read as characters."""
    with _stream(path) as stream:
        head = stream.read(HEAD_BYTES)
    for magic, fix in FORMATS.items():
        if head.startswith(magic):
            raise CsvError(f"{path}: {fix}")
    wide = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")
    if not wide and b"\0" in head[:4]:
        wide = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if wide and not re.search("16|32", dialect.encoding):
        raise CsvError(
            f"{path}: not {dialect.encoding}; set --encoding of `slipway new`, or `CSV` of the problem, to {wide}"
        )


def _stream(path: Path, file: BinaryIO | None = None) -> pa.NativeFile:
    source = pa.PythonFile(file, "r") if file else pa.OSFile(str(path))
    return pa.CompressedInputStream(source, "gzip") if path.name.lower().endswith(".gz") else source


@contextmanager
def explained(path: Path, dialect: Dialect) -> Iterator[None]:
    """Turn errors of pyarrow on a file into CsvError, with the option to set."""
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
        surplus, is_first = int(fields[3]) > int(fields[2]), fields[1] == "2"
        above = ", or the lines above the header" if is_first else ""
        hint = f"remove the text after the last column, such as a comma{above}" if surplus else "add the missing fields"
        return f"{at} has {fields[3]} fields, the header has {fields[2]}; {hint}"
    if "UTF8" in line or "utf-8" in line or "decode" in line or "iconv" in line:
        option = "--encoding of `slipway new`, or `CSV` of the problem"
        return f"not {dialect.encoding}; set {option}, to cp1252 or its encoding"
    if "unknown encoding" in line:
        return f"--encoding {dialect.encoding}: unknown encoding; set utf-8, cp1252, latin-1 or utf-16"
    return f"cannot be read ({line}); fix the file, or export it again"


def read_strings(path: Path, dialect: Dialect) -> pa.Table:
    """Return every field of `path` as a string, null where it is missing. Raises CsvError."""
    with explained(path, dialect), open_csv(path, dialect) as reader:
        table = reader.read_all()
    names = table.column_names
    if repeated := [name for name in names if names.count(name) > 1]:
        raise CsvError(f"{path}: has the column {repeated[0]!r} twice; rename one of them")
    if len(names) == 1:
        if is_tsv(path, dialect) and "," in names[0]:
            raise CsvError(f"{path}: has a single column, {names[0]!r}; change its suffix to .csv")
        for separator in (";", "\t", "|"):
            if separator in names[0]:
                raise CsvError(
                    f"{path}: has a single column, {names[0]!r}; set --separator '{separator}'".replace("\t", "\\t")
                )
    return pa.table({name: without_empty(table[name].combine_chunks()) for name in names})


def without_empty(strings: pa.Array) -> pa.Array:
    """Return `strings` with null for empty ones, quoted or not."""
    return pc.if_else(pc.equal(strings, ""), None, strings)


def read(path: Path, dialect: Dialect, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of `path` with each column in its kind; a column without a kind is text. Raises CsvError."""
    return typed_frame(path, read_strings(path, dialect), kinds, dialect)


def typed_frame(path: Path, table: pa.Table, kinds: Mapping[str, str], dialect: Dialect) -> pd.DataFrame:
    """Return the strings in `table` as `read` does. Raises CsvError."""
    return pd.DataFrame(
        {name: typed(path, name, table[name], kinds.get(name, TEXT), dialect) for name in table.column_names}
    )


def typed(path: Path, name: str, strings: pa.ChunkedArray, kind: str, dialect: Dialect) -> pd.Series:
    """Return the column `name` in its kind. Raises CsvError for a value of another kind."""
    array = strings.combine_chunks()
    if kind == TEXT:
        text: pd.Series = array.to_pandas(types_mapper={pa.string(): pd.StringDtype()}.get)
        return text
    parse = parse_numbers if kind == NUMBER else parse_flags
    values, invalid = parse(array, dialect)
    if invalid:
        at = min(invalid)
        raise CsvError(
            f"{path}: {name}: {quoted(invalid[at])} in row {at} is not a {kind}; fix the file, or see docs/new.md", at
        )
    if kind == NUMBER and _is_whole(array, values):
        values = values.cast(pa.int64())
    dtypes = {pa.float64(): pd.Float64Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    column: pd.Series = values.to_pandas(types_mapper=dtypes.get)
    return column


def _is_whole(strings: pa.Array, values: pa.Array) -> bool:
    """Return whether every number is an integer without point or exponent that float64 represents."""
    present = values.drop_null()
    if not len(present) or pc.any(pc.match_substring_regex(strings, r"[.eE]|(?i:nan|inf)")).as_py():
        return False
    whole = pc.and_(pc.equal(pc.floor(present), present), pc.less_equal(pc.abs(present), FLOAT_INTEGER_MAX))
    return bool(pc.all(whole).as_py())


def parse_numbers(strings: pa.Array, dialect: Dialect = Dialect()) -> tuple[pa.Array, dict[int, str]]:
    """Return strings as float64, with the missing values of `dialect`, and invalid strings by row."""
    strings = without_empty(strings)
    if dialect.missing:  # quoted or not, because quotes mean nothing for a number
        strings = pc.if_else(pc.is_in(strings, pa.array(dialect.missing, pa.string())), None, strings)
    plain, invalid = _plain(strings, dialect), {}
    try:
        values = plain.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(plain, NUMBER_PATTERN)
        values, invalid = pc.if_else(is_number, plain, None).cast(pa.float64()), _invalid(strings, is_number)
    return without_sentinels(values, dialect), invalid


def without_sentinels(values: pa.Array, dialect: Dialect) -> pa.Array:
    """Return numbers with null for the sentinels of `dialect`."""
    if not dialect.sentinels:
        return values
    return pc.if_else(pc.is_in(values, pa.array(dialect.sentinels, pa.float64())), None, values)


def _plain(strings: pa.Array, dialect: Dialect) -> pa.Array:
    """Return numbers of `dialect` in Python's notation; an invalid number stays invalid."""
    plain = pc.utf8_trim_whitespace(strings)
    if dialect.thousands == " ":
        plain = pc.replace_substring_regex(plain, SPACES, " ")
    for symbol in dialect.symbols:
        plain = pc.utf8_trim_whitespace(pc.replace_substring(plain, symbol, ""))
    if dialect.thousands:
        group, point = re.escape(dialect.thousands), re.escape(dialect.decimal)
        grouped = pc.match_substring_regex(plain, rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({point}\d*)?$")
        plain = pc.if_else(grouped, pc.replace_substring(plain, dialect.thousands, ""), plain)
    if dialect.decimal != ".":
        ambiguous = pc.match_substring(plain, ".")
        plain = pc.if_else(ambiguous, "not a number", pc.replace_substring(plain, dialect.decimal, "."))
    return plain


def read_parquet(path: Path, dialect: Dialect) -> pd.DataFrame:
    """Return the rows of a Parquet file, with missing values in place of the sentinels of `dialect`.

    A named index is a column. Decimals, Arrow's types and categories that are not strings become plain values.
    """
    columns = pq.read_schema(path).names
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise CsvError(f"{path}: has the column {repeated[0]!r} twice; rename one of them")
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if name is not None]
    if repeated := [name for name in named if name in frame.columns]:
        raise CsvError(f"{path}: has the column {repeated[0]!r} twice, once in its index; rename one of them")
    frame = frame.reset_index(level=named).reset_index(drop=True).rename(columns=str)
    return frame_without_missing(frame.apply(_plain_values), dialect)


def _plain_values(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.ArrowDtype):
        values = pd.Series(pa.array(values).to_pandas(), values.index, name=values.name)
    if isinstance(values.dtype, pd.CategoricalDtype) and not pd.api.types.is_string_dtype(values.cat.categories):
        return values.astype(values.cat.categories.dtype if values.notna().all() else object).convert_dtypes()
    present = values.dropna() if values.dtype == object else ()
    if len(present) and all(isinstance(value, Decimal) for value in present):
        whole = all(value == value.to_integral_value() and value.as_tuple().exponent >= 0 for value in present)
        fits = whole and all(abs(value) <= INTEGER_MAX for value in present)
        return values.map(int if fits else float, na_action="ignore").astype("Int64" if fits else "Float64")
    return values


def frame_without_missing(frame: pd.DataFrame, dialect: Dialect) -> pd.DataFrame:
    """Return a typed table, such as one from Parquet, with missing values in place of those that `dialect` lists."""
    return frame.apply(_without_missing, dialect=dialect) if dialect.missing else frame


def _without_missing(values: pd.Series, dialect: Dialect) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):  # also no value of a closed list any more
        return values.cat.remove_categories(values.cat.categories.intersection(list(dialect.missing)))
    if pd.api.types.is_bool_dtype(values):
        return values
    listed = dialect.sentinels if pd.api.types.is_numeric_dtype(values) else list(dialect.missing)
    return values.mask(values.isin(listed))


def parse_flags(strings: pa.Array, dialect: Dialect = Dialect()) -> tuple[pa.Array, dict[int, str]]:
    """Return strings as booleans, and strings that are neither true nor false, in any case, by row."""
    strings = without_empty(strings)
    if dialect.missing:
        strings = pc.if_else(pc.is_in(strings, pa.array(dialect.missing, pa.string())), None, strings)
    lower = pc.utf8_lower(strings)
    is_flag = pc.is_in(lower, pa.array(["true", "false", None]))
    return pc.equal(lower, "true"), _invalid(strings, is_flag)


def _invalid(strings: pa.Array, is_valid: pa.Array) -> dict[int, str]:
    rows = np.flatnonzero(~is_valid.fill_null(True).to_numpy(zero_copy_only=False)).tolist()
    return {row: strings[row].as_py() for row in rows}


def quoted(text: str) -> str:
    """Return a value as quoted in an error message."""
    return repr(text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…")
