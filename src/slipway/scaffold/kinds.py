"""What each column of a CSV file holds: numbers, flags or text; where that is not plain, the option to set."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slipway import csv_file
from slipway.csv_file import FLAG, NUMBER, TEXT, Dialect, shown
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import pandas as pd

MISSING_WORDS = {"na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "unknown"}
"""In lower case: what stands for a missing value where all other values of a column are numbers or flags."""
SYMBOL = re.compile(r"^(?P<before>[^\d\s.,+-]{1,3})?\s*[+-]?[\d.,\s]*\d[.,]?\s*(?P<after>[^\d\s.,+-]{1,3})?$")
MARKS = ((".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
"""Decimal mark, and mark between groups of digits."""
SENTINEL_ROWS = 3  # with the value at least; fewer may be a single outlier
SENTINEL_RANGES = 1.0  # by how many ranges of all other values it lies away from them
DISTINCT_MIN = 10  # other values; with fewer, a range says little


def of_table(path: Path, table: pa.Table, dialect: Dialect, text: Collection[str] = ()) -> dict[str, str]:
    """Return the kind of each column of texts; those in `text` are text. Raises UserError naming the option to set."""
    unknown = [name for name in text if name not in table.column_names]
    if unknown:
        raise UserError(f"{path}: --text {unknown[0]}: no such column")
    return {
        name: TEXT if name in text else _kind(path, name, table[name].combine_chunks(), dialect)
        for name in table.column_names
    }


def _kind(path: Path, name: str, texts: pa.Array, dialect: Dialect) -> str:
    for kind, parse in ((NUMBER, csv_file.parse_numbers), (FLAG, csv_file.parse_flags)):
        values, odd = parse(texts, dialect)
        known = len(values) - values.null_count - (len(odd) if kind == FLAG else 0)
        if known and not odd:
            return TEXT if kind == NUMBER and _is_code(texts, values) else kind
        if known and {value.strip().lower() for value in odd.values()} <= MISSING_WORDS:
            at = min(odd)
            raise UserError(
                f"{path}: {name}: {shown(odd[at])} in row {at} is no {kind}, as {known:,} others are; if it means a"
                f" missing value, set --missing {odd[at].strip()!r}; if it is a value, --text {name!r}"
            )
    if option := next(_options(texts, dialect), ""):
        at = min(csv_file.parse_numbers(texts, dialect)[1])
        raise UserError(
            f"{path}: {name}: {shown(texts[at].as_py())} in row {at} is no number as it stands; set {option},"
            f" or --text {name!r} to keep it as text"
        )
    return TEXT


def _is_code(texts: pa.Array, values: pa.Array) -> bool:
    """Whether whole numbers lose something as numbers: leading zeros, or digits beyond what float64 holds."""
    whole = pc.all(pc.match_substring_regex(texts, csv_file.INTEGER_PATTERN)).as_py()
    if not whole:
        return False
    zeros = pc.any(pc.match_substring_regex(texts, csv_file.CODE_PATTERN)).as_py()
    return zeros or pc.max(pc.abs(values)).as_py() > csv_file.FLOAT_INTEGER_MAX


def _options(texts: pa.Array, dialect: Dialect) -> Iterator[str]:
    """Options with which every value would be a number."""
    symbols = _symbols(texts)
    for decimal, thousands in dict.fromkeys([(dialect.decimal, dialect.thousands), *MARKS]):
        other = replace(dialect, decimal=decimal, thousands=thousands, symbols=(*dialect.symbols, *symbols))
        odd = csv_file.parse_numbers(texts, other)[1]
        if all(value.strip().lower() in MISSING_WORDS for value in odd.values()) and len(odd) < len(texts) / 2:
            said = [f"--symbol {symbol!r}" for symbol in symbols]
            said += [f"--decimal {decimal!r}"] if decimal != dialect.decimal else []
            said += [f"--thousands {thousands!r}"] if thousands != dialect.thousands else []
            ambiguous = (decimal, thousands) == (".", ",") and _are_numbers(
                texts, replace(other, decimal=",", thousands="")
            )
            yield " and ".join(said) + (" (or --decimal ',', if that is what it is)" if ambiguous else "")


def _are_numbers(texts: pa.Array, dialect: Dialect) -> bool:
    return not csv_file.parse_numbers(texts, dialect)[1]


def _symbols(texts: pa.Array) -> list[str]:
    """What stands before or after the digits of every value, such as `%` or `$`."""
    matches = [SYMBOL.match(text) for text in pc.unique(texts.drop_null()).to_pylist()]
    found = {match[side] for match in matches if match for side in ("before", "after") if match[side]}
    return sorted(found) if all(matches) and len(found) <= 2 else []


def refuse_sentinels(path: Path, frame: pd.DataFrame, values: Collection[str] = ()) -> None:
    """Raise UserError for a number that many rows have far away from all others, such as -999; `values` may be so."""
    kept = {float(value) for value in values if re.fullmatch(csv_file.NUMBER_PATTERN, value)}
    for name in frame.select_dtypes("number"):
        numbers = frame[name].dropna().astype("float64")
        if not np.isfinite(numbers).all() or (numbers.abs() > np.finfo(np.float32).max).any():
            at = int((~np.isfinite(numbers) | (numbers.abs() > np.finfo(np.float32).max)).idxmax())
            raise UserError(f"{path}: {name}: {numbers[at]} in row {at} is beyond what a model takes; correct it")
        for sentinel in _sentinels(numbers):
            if sentinel not in kept:
                rows = numbers.index[numbers == sentinel]
                raise UserError(
                    f"{path}: {name}: {sentinel:g} in {len(rows):,} rows, first in row {rows[0]}, is far from all"
                    f" other values; if it means a missing value, set --missing={sentinel:g}; if it is a"
                    f" value, --value={sentinel:g}"
                )


def _sentinels(numbers: pd.Series) -> Iterator[float]:
    for end in (numbers.min(), numbers.max()) if len(numbers) else ():
        others = numbers[numbers != end]
        if others.nunique() < DISTINCT_MIN or (numbers == end).sum() < SENTINEL_ROWS:
            continue
        low, high = others.min(), others.max()
        if max(low - end, end - high) > SENTINEL_RANGES * (high - low):
            yield float(end)
