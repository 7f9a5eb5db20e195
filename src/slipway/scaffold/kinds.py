"""Kinds of the columns of a CSV file: numbers, flags or text. An ambiguous column is an error."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slipway.errors import ArgumentError
from slipway.schema import csv_file
from slipway.schema.csv_file import FLAG, NUMBER, TEXT, CsvError, Dialect, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

MISSING_WORDS = {"na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "unknown"}
"""Strings, in lower case, that mean a missing value where all other values of a column are numbers or flags."""
SYMBOL = re.compile(r"^[+-]?(?P<before>[^\d\s.,+-]{1,3})?\s*[+-]?[\d.,'\s]*\d[.,]?\s*(?P<after>[^\d\s.,+'-]{1,3}|-)?$")
VALUE_CHANGERS = frozenset("()-\u2212<>\u2264\u2265~")
"""Characters that are part of a number: without them, it would have another sign, or be exact."""
LABEL = re.compile(r"^[^\W\d_]+\d+$")
"""Letters directly before an integer, such as `PAL0708` or `Q3`: a name, whereas `EUR 5` and `5 kg` are quantities."""
MARKS = ((".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
"""Decimal mark, and separator of groups of digits."""
SENTINEL_ROWS_MIN = 3  # rows with the value; fewer may be outliers
SENTINEL_DISTANCE = 1.0  # minimum distance from all other values, as a multiple of their range
DISTINCT_MIN = 10  # distinct other values; the range of fewer means little
SYMBOLS_MAX = 4  # symbols of a column of numbers; more are names
SCALES = frozenset({"k", "K", "m", "M", "b", "B", "bn", "mn"})
"""Suffixes of thousands, millions and billions."""
STRAY_RATIO_MAX = 0.05  # of the values; more that are not numbers are a column of text


def of_table(path: Path, table: pa.Table, dialect: Dialect, text: Collection[str] = ()) -> dict[str, str]:
    """Return the kind of each column; columns in `text` are text. Raises CsvError with the option to set."""
    unknown = [name for name in text if name not in table.column_names]
    if unknown:
        raise ArgumentError(f"{path}: --text {unknown[0]}: no such column")
    return {
        name: TEXT if name in text else _kind(path, name, table[name].combine_chunks(), dialect)
        for name in table.column_names
    }


def _kind(path: Path, name: str, strings: pa.Array, dialect: Dialect) -> str:
    for kind, parse in ((NUMBER, csv_file.parse_numbers), (FLAG, csv_file.parse_flags)):
        values, invalid = parse(strings, dialect)
        count = len(values) - values.null_count - (len(invalid) if kind == FLAG else 0)
        if count and not invalid:
            return TEXT if kind == NUMBER and _is_code(strings, values) else kind
        if count and {value.strip().lower() for value in invalid.values()} <= MISSING_WORDS:
            at = min(invalid)
            raise CsvError(
                f"{path}: {name}: {quoted(invalid[at])} in row {at} is not a {kind}, unlike {count:,} others;"
                f" if it means a missing value, set --missing {invalid[at].strip()!r}; for a value, --text {name!r}",
                at,
            )
    invalid = csv_file.parse_numbers(strings, dialect)[1]
    words = {row for row, value in invalid.items() if value.strip().lower() in MISSING_WORDS}
    at = min(invalid.keys() - words, default=-1)
    if at < 0:
        return TEXT
    start = f"{path}: {name}: {quoted(invalid[at])} in row {at}"
    if option := next(_options(strings, dialect, _symbols(strings)), ""):
        raise CsvError(f"{start} cannot be read as a number; set {option}, or --text {name!r} to keep it as text", at)
    if symbols := _value_changers(strings, dialect):
        at = next(row for row, value in invalid.items() if any(symbol in value for symbol in symbols))
        raise CsvError(
            f"{path}: {name}: {quoted(invalid[at])} in row {at} cannot be read as a number, because"
            f" {' and '.join(map(repr, symbols))} would be lost; rewrite the column, or set --text {name!r}",
            at,
        )
    count = len(strings) - strings.null_count - len(invalid)
    if len(invalid) <= STRAY_RATIO_MAX * count:
        raise CsvError(
            f"{start} is not a number, unlike {count:,} others; if it means a missing value,"
            f" set --missing {invalid[at].strip()!r}; for text, --text {name!r}",
            at,
        )
    return TEXT


def _is_code(strings: pa.Array, values: pa.Array) -> bool:
    """Return whether integers would lose leading zeros, or digits that float64 cannot represent."""
    whole = pc.all(pc.match_substring_regex(strings, csv_file.INTEGER_PATTERN)).as_py()
    if not whole:
        return False
    zeros = pc.any(pc.match_substring_regex(strings, csv_file.CODE_PATTERN)).as_py()
    return bool(zeros or pc.max(pc.abs(values)).as_py() > csv_file.FLOAT_INTEGER_MAX)


def _options(strings: pa.Array, dialect: Dialect, symbols: Sequence[str]) -> Iterator[str]:
    """Yield options under which every value is a number once its `symbols` are removed."""
    for decimal, thousands in dict.fromkeys([(dialect.decimal, dialect.thousands), *MARKS]):
        other = replace(dialect, decimal=decimal, thousands=thousands, symbols=(*dialect.symbols, *symbols))
        invalid = csv_file.parse_numbers(strings, other)[1]
        if (
            all(value.strip().lower() in MISSING_WORDS for value in invalid.values())
            and len(invalid) < len(strings) / 2
        ):
            options = [f"--symbol {symbol!r}" for symbol in symbols]
            options += [f"--decimal {decimal!r}"] if decimal != dialect.decimal else []
            options += [f"--thousands {thousands!r}"] if thousands != dialect.thousands else []
            ambiguous = (decimal, thousands) == (".", ",") and _are_numbers(
                strings, replace(other, decimal=",", thousands="")
            )
            yield " and ".join(options) + (" (or --decimal ',', if the comma is the decimal mark)" if ambiguous else "")


def _are_numbers(strings: pa.Array, dialect: Dialect) -> bool:
    return not csv_file.parse_numbers(strings, dialect)[1]


def _symbols(strings: pa.Array) -> list[str]:
    """Return the symbols before or after the digits of every value, such as `%` or `$`, at most one on each side."""
    affixes = _affixes(strings)
    before, after = ({affix[side] for affix in affixes if affix[side]} for side in (0, 1))
    symbols = sorted(before | after)
    return [] if max(len(before), len(after)) > 1 or VALUE_CHANGERS & set("".join(symbols)) else symbols


def _value_changers(strings: pa.Array, dialect: Dialect) -> list[str]:
    """Return the symbols without which numbers would be others: signs, or several scales, such as `k` and `M`."""
    affixes = _affixes(strings)
    symbols = {symbol for affix in affixes for symbol in affix if symbol}
    scales = {after for _, after in affixes if after}
    is_scaled = len(scales) > 1 and scales <= SCALES
    if len(symbols) > SYMBOLS_MAX or not (is_scaled or VALUE_CHANGERS & set("".join(symbols))):
        return []
    ordered = sorted(symbols, key=lambda symbol: (-len(symbol), symbol))
    return ordered if next(_options(strings, dialect, ordered), "") else []


def _affixes(strings: pa.Array) -> list[tuple[str, str]]:
    """Return what is before and after the digits of each distinct value; empty unless all are numbers with symbols."""
    values = [
        value for value in pc.unique(strings.drop_null()).to_pylist() if value.strip().lower() not in MISSING_WORDS
    ]
    matches = [SYMBOL.match(value.strip()) for value in values]
    if all(LABEL.match(value) for value in values) or not all(matches):
        return []
    affixes = [(match["before"] or "", match["after"] or "") for match in matches if match]
    if any(part.isalpha() for affix in affixes for part in affix) and not all(map(any, affixes)):
        return []  # a name that some values have and others lack, such as `TK 123` and `123`
    return affixes


def refuse_sentinels(path: Path, frame: pd.DataFrame, values: Collection[str] = ()) -> None:
    """Raise CsvError for a repeated number far from all others, such as -999, that is not in `values`."""
    allowed = {float(value) for value in values if re.fullmatch(csv_file.NUMBER_PATTERN, value)}
    for name in frame.select_dtypes("number", exclude="timedelta"):
        numbers = frame[name].dropna().astype("float64")
        invalid = numbers.index[~(numbers.abs() <= np.finfo(np.float32).max)]  # also infinite ones
        if len(invalid):
            at = int(invalid[0])
            raise CsvError(f"{path}: {name}: {numbers[at]} in row {at} is outside the range of float32; correct it", at)
        for sentinel in _sentinels(numbers):
            if sentinel not in allowed:
                rows = numbers.index[numbers == sentinel]
                at = int(rows[0])
                raise CsvError(
                    f"{path}: {name}: {sentinel:g} in {len(rows):,} rows, first in row {at}, is far from all"
                    f" other values; if it means a missing value, set --missing={sentinel:g}; if it is a"
                    f" value, --value={sentinel:g}",
                    at,
                )


def _sentinels(numbers: pd.Series) -> Iterator[float]:
    for end in (numbers.min(), numbers.max()) if len(numbers) else ():
        others = numbers[numbers != end]
        if len(numbers) - len(others) < SENTINEL_ROWS_MIN or others.nunique() < DISTINCT_MIN:
            continue
        low, high = others.min(), others.max()
        if max(low - end, end - high) > SENTINEL_DISTANCE * (high - low):
            yield float(end)
