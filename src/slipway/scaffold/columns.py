"""What each column of a table is: a number with limits, a flag, a closed or an open list, or nothing to learn from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from slipway.scaffold import names

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSED = 20  # values of a closed list at most
OFTEN = 5  # rows of each of its values at least; a rarer one is likely to have unseen neighbours
UNIQUE = 0.5  # share of text values that occur once or so, from which a column is free text
HEADROOM = 0.5  # of the range seen, below the smallest value and above the largest
MISSING = 0.9  # share of rows without a value, above which a column says too little
CODE = re.compile(r"[A-Z0-9]{1,8}")
IDENTIFIER = re.compile(r"(^|_)(id|key|uuid|number|no|index)$|^unnamed")


@dataclass(frozen=True)
class Feature:
    """A column of `Row`; `kind` is int, float, bool, closed or open."""

    name: str
    source: str
    kind: str
    nullable: bool
    seen: str
    low: float = 0
    high: float = 0
    values: tuple[str, ...] = ()
    longest: int = 0
    pattern: str = ""

    @property
    def unit(self) -> str:
        """Unit, as far as the column's name has one."""
        return names.unit(self.source)

    @property
    def is_category(self) -> bool:
        """Whether a model sees it as text."""
        return self.kind in {"closed", "open"}


@dataclass(frozen=True)
class LeftOut:
    """A column that is not taken over, and why."""

    source: str
    why: str


def examine(values: pd.Series, name: str) -> Feature | LeftOut:
    """What the column `values` is, under its new `name`. Its rows are in the order of time, if there is one."""
    fractions = pd.api.types.is_float_dtype(values) and values.notna().all()  # whole numbers with gaps are floats too
    values = values.convert_dtypes(convert_integer=not fractions)
    known = values.dropna()
    if values.isna().mean() > MISSING:
        return LeftOut(str(values.name), f"it is missing in {values.isna().mean():.0%} of rows")
    if why := _useless(known, name):
        return LeftOut(str(values.name), why)
    common = {"name": name, "source": str(values.name), "nullable": bool(values.isna().any())}
    if pd.api.types.is_bool_dtype(known):
        return Feature(**common, kind="bool", seen=f"true in {float(known.astype(float).mean()):.0%} of rows")
    if pd.api.types.is_numeric_dtype(known):
        return Feature(**common, **_number(known))
    return Feature(**common, **_text(known))


def _useless(known: pd.Series, name: str) -> str:
    """Why nothing can be learned from the column, or nothing."""
    if pd.api.types.is_datetime64_any_dtype(known) or _is_date(known):
        return "it is a date; let `tidy` in src/problem/data.py make features of it, such as a duration or a weekday"
    if not _is_plain(known):
        return f"its values are no numbers, flags or texts, but {type(known.iloc[0]).__name__}"
    different = known.nunique()
    if different == 1:
        return f"it has one value only, {str(known.iloc[0])[:40]!r}"
    if pd.api.types.is_integer_dtype(known) and different == len(known):
        consecutive = int(known.max()) - int(known.min()) + 1 == len(known)
        return "it numbers the rows" if consecutive or IDENTIFIER.search(name) else ""
    if not pd.api.types.is_numeric_dtype(known) and different > max(CLOSED, UNIQUE * len(known)):
        return f"it has {different:,} different texts in {len(known):,} rows: an identifier, or free text"
    return ""


def _is_plain(known: pd.Series) -> bool:
    if known.dtype == object:
        return all(isinstance(value, str) for value in known)
    return pd.api.types.is_numeric_dtype(known) or pd.api.types.is_string_dtype(known)


def _is_date(known: pd.Series) -> bool:
    """Texts with digits and separators that all read as a date."""
    if not pd.api.types.is_string_dtype(known) or not known.head(100).str.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d").all():
        return False
    return bool(pd.to_datetime(known, errors="coerce", format="mixed", utc=True).notna().all())


def _number(known: pd.Series) -> dict[str, Any]:
    kind = "int" if pd.api.types.is_integer_dtype(known) else "float"
    low, high = known.min(), known.max()
    limits = dict(zip(("low", "high"), limits_of(float(low), float(high)), strict=True))
    return {"kind": kind, "seen": f"{low:.6g} to {high:.6g}", **limits}


def limits_of(low: float, high: float) -> tuple[float, float]:
    """Round numbers outside of `low` and `high`, with headroom; what was never negative may not become so."""
    room = (high - low) * HEADROOM
    step = 10.0 ** math.floor(math.log10(high - low))
    below, above = math.floor((low - room) / step) * step, math.ceil((high + room) / step) * step
    below, above = (max(0.0, below) if low >= 0 else below), (min(0.0, above) if high <= 0 else above)
    return tuple(int(end) if end == int(end) else float(f"{end:.6g}") for end in (below, above))


def _text(known: pd.Series) -> dict[str, Any]:
    counts = known.value_counts()
    if len(counts) <= CLOSED and counts.min() >= OFTEN and _is_stable(known):
        values = tuple(sorted(counts.index))
        return {
            "kind": "closed",
            "values": values,
            "seen": f"{len(values)} values, each in {counts.min():,} rows or more",
        }
    seen = f"{len(counts):,} values, {counts.iloc[0]:,} rows of {str(counts.index[0])[:20]!r}"
    return {
        "kind": "open",
        "seen": seen,
        "longest": _round_up(2 * int(known.str.len().max())),
        "pattern": _pattern(known),
    }


def _is_stable(known: pd.Series) -> bool:
    """Whether the first and the second half of the rows have the same values."""
    half = len(known) // 2
    return set(known.iloc[:half]) == set(known.iloc[half:])


def _pattern(known: pd.Series) -> str:
    """A pattern for short codes of one length; nothing for other texts."""
    lengths = known.str.len()
    if lengths.min() != lengths.max() or not known.str.fullmatch(CODE).all():
        return ""
    letters = "A-Z" if not known.str.contains(r"\d").any() else "0-9" if known.str.isdigit().all() else "A-Z0-9"
    return f"^[{letters}]{{{int(lengths.max())}}}$"


def _round_up(length: int) -> int:
    return -(-length // 10) * 10


def examine_all(frame: pd.DataFrame, named: Mapping[str, str]) -> tuple[list[Feature], list[LeftOut]]:
    """Features of the columns in `named`, and those of them that are left out."""
    found = [examine(frame[column], name) for column, name in named.items()]
    return [each for each in found if isinstance(each, Feature)], [each for each in found if isinstance(each, LeftOut)]
