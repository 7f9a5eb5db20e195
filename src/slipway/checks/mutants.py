"""A corpus of faulty files, made from a real one: each says how it is spoilt, and for which reason it must be blocked.

The faults are tables, and the columns that they spoil are picked by their kind and limits in `Row`. A problem that has
no column of a kind simply has fewer mutants, and so has one whose loader makes its columns of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.errors import UserError
from slipway.fields import fields, is_closed
from slipway.schema import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False),  # `NA` is a value
}
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
}
TEXT = {".csv"}  # formats without types and without an end
NOT_IN_TEXT = {"last bytes lost", "text for numbers", "bytes for text", "time: as text", "time: no time zone"}
"""Faults that a text file cannot have, or cannot show."""
SOME = 0.3  # share of rows that a partial fault spoils
FEW = 0.05  # share of rows of a small fault
FIVE_HOURS = pd.Timedelta(hours=5)  # a common distance between a local clock and UTC
CENTURY = pd.Timedelta(days=36525)
YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True)
class Mutant:
    """A fault.

    It is blocked for the right reason when a blocker says one of the words in `reasons` and, if there are `columns`,
    names one of them.
    """

    name: str
    why: str
    reasons: tuple[str, ...]
    columns: tuple[str, ...]
    spoil: Callable[[Path], None]
    """Spoils the file in place, or puts another in its place."""


@dataclass(frozen=True)
class Original:
    """The file that mutants are made from: raw columns, the same rows as `problem.load` gives them, the file before."""

    raw: pd.DataFrame
    loaded: pd.DataFrame
    before: pd.DataFrame
    seed: int
    suffix: str = ".parquet"

    def __post_init__(self) -> None:
        if len(self.raw) != len(self.loaded):
            kept = f"{len(self.loaded)} of {len(self.raw)}"
            raise UserError(f"problem.load keeps {kept} rows of a file; mutants need to know which row has which label")

    @property
    def rng(self) -> np.random.Generator:
        """The same draws for every mutant, whichever others there are."""
        return np.random.default_rng(self.seed)

    def some(self, share: float = SOME) -> np.ndarray:
        """True for a share of the rows."""
        return self.rng.random(len(self.raw)) < share

    @cached_property
    def outcomes(self) -> list[str]:
        """Raw columns that the label comes from: itself, or else all that are neither in `Row` nor the time."""
        if problem.TARGET in self.raw:
            return [problem.TARGET]
        return [name for name in self.raw if name not in {*problem.Row.model_fields, problem.TIME_COLUMN}]

    @cached_property
    def label_rank(self) -> np.ndarray:
        """Labels as numbers in (0, 1], in their order; rows without one are in the middle."""
        return self.loaded[problem.TARGET].rank(pct=True).astype(float).fillna(0.5).to_numpy()

    def outcomes_of(self, places: np.ndarray) -> pd.DataFrame:
        """The rows with the outcomes of the rows at `places`."""
        return self.raw.assign(**{name: self.raw[name].take(places).to_numpy() for name in self.outcomes})

    def highest(self) -> np.ndarray:
        """Places of the rows with the highest label."""
        return np.flatnonzero(self.label_rank == self.label_rank.max())

    def opposite(self) -> np.ndarray:
        """For each row, the place of a random row whose label is as far from the other end of the labels' order."""
        _, level, count = np.unique(self.label_rank, return_inverse=True, return_counts=True)
        mirrored = len(count) - 1 - level
        start = np.cumsum(count) - count
        within = (self.rng.random(len(level)) * count[mirrored]).astype(int)
        return np.argsort(level, kind="stable")[start[mirrored] + within]

    def conflicting(self) -> pd.DataFrame:
        """Some of the rows whose opposite has another label, with the opposite's outcomes."""
        opposite = self.opposite()
        return self.outcomes_of(opposite)[self.some() & (self.label_rank != self.label_rank[opposite])]


def read(path: Path) -> pd.DataFrame:
    """Raw columns of a data file. Raises UserError for a format that mutants cannot be made of."""
    if path.suffix not in READERS:
        raise UserError(
            f"{path}: mutants are made of {' or '.join(READERS)} files; teach mutants.READERS {path.suffix}"
        )
    raw = READERS[path.suffix](path)
    if problem.TIME_COLUMN in raw and not pd.api.types.is_datetime64_any_dtype(raw[problem.TIME_COLUMN]):
        raw[problem.TIME_COLUMN] = pd.to_datetime(raw[problem.TIME_COLUMN], utc=True)
    return raw


def corpus(original: Original) -> list[Mutant]:
    """Every mutant that the problem has columns for."""
    frames = [
        *FRAME_FAULTS,
        *(TIME_FAULTS if problem.TIME_COLUMN else ()),
        *(LABEL_FAULTS if original.outcomes else ()),
    ]
    found = [
        *(Mutant(name, why, tuple(reasons.split()), (), spoil) for name, why, reasons, spoil in FILE_FAULTS),
        *(_of_frame(original, *fault) for fault in frames),
        *_swaps(original),
        *(mutant for fault in COLUMN_FAULTS for mutant in _of_columns(original, *fault)),
    ]
    if original.suffix not in TEXT:
        return found
    return [mutant for mutant in found if not {mutant.name, mutant.name.rpartition(": ")[0]} & NOT_IN_TEXT]


def _of_frame(
    original: Original, name: str, why: str, reasons: str, change: Callable[[Original], pd.DataFrame]
) -> Mutant:
    def spoil(path: Path) -> None:
        WRITERS[path.suffix](change(original), path)

    return Mutant(name, why, tuple(reasons.split()), (), spoil)


def _of_columns(
    original: Original,
    name: str,
    why: str,
    reasons: str,
    pick: Callable[[Original], Sequence[str]],
    change: Callable[[Original, str], pd.DataFrame],
) -> Iterator[Mutant]:
    for column in pick(original):

        def spoil(path: Path, column: str = column) -> None:
            WRITERS[path.suffix](change(original, column), path)

        yield Mutant(f"{name}: {column}", why, tuple(reasons.split()), (column,), spoil)


def _valued(values: Callable[[Original, pd.Series], Any]) -> Callable[[Original, str], pd.DataFrame]:
    """A change of one column's values only."""
    return lambda original, column: original.raw.assign(**{column: values(original, original.raw[column])})


def _low(name: str) -> float:
    return fields(problem.Row)[name]["minimum"]


def _high(name: str) -> float:
    return fields(problem.Row)[name]["maximum"]


def _numbers(original: Original, *, nullable: bool) -> list[str]:
    """Numbers with limits, the most varied first: a fault in a column that hardly varies is hardly one."""
    named = [each.name for each in columns(problem.Row) if each.kind == "number" and each.nullable == nullable]
    limits = {"minimum", "maximum"}
    limited = [name for name in named if name in original.raw and limits <= fields(problem.Row)[name].keys()]
    return sorted(limited, key=lambda name: -original.raw[name].nunique())


def _categories(original: Original, *, closed: bool) -> list[str]:
    named = [each.name for each in columns(problem.Row) if each.kind == "category" and each.name in original.raw]
    return [name for name in named if is_closed(fields(problem.Row)[name]) == closed]


def _required(original: Original) -> list[str]:
    return _numbers(original, nullable=False)[:1]


def _whole(original: Original) -> list[str]:
    """The most varied required number that has no fractions."""
    return [name for name in _numbers(original, nullable=False) if fields(problem.Row)[name].get("type") == "integer"][
        :1
    ]


def _optional(original: Original) -> list[str]:
    """The two optional numbers that are missing least."""
    return sorted(_numbers(original, nullable=True), key=lambda name: original.raw[name].isna().mean())[:2]


def _both(original: Original) -> list[str]:
    return [*_numbers(original, nullable=False)[:2], *_optional(original)]


def _closed(original: Original) -> list[str]:
    return _categories(original, closed=True)[:1]


def _open(original: Original) -> list[str]:
    return _categories(original, closed=False)[:1]


def _any(original: Original) -> list[str]:
    return [*_required(original), *_optional(original)[:1], *_closed(original), *_open(original)]


def _zeroed(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.part"))


def _ordered(*parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of all parts, in the order of time if there is one."""
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values(problem.TIME_COLUMN, kind="stable", ignore_index=True) if problem.TIME_COLUMN else rows


def _swaps(original: Original) -> Iterator[Mutant]:
    """Mutants of `SWAPS` that the problem has two columns for."""
    for name, reasons, pick in SWAPS:
        picked = pick(original)
        if len(picked) > 1:
            names = {picked[0]: picked[-1], picked[-1]: picked[0]}
            yield _of_frame(
                original, name, "under each other's name", reasons, lambda o, names=names: o.raw.rename(columns=names)
            )


def _timed(values: Callable[[Original, pd.Series], Any]) -> Callable[[Original], pd.DataFrame]:
    """A change of the time column only."""
    return lambda original: _valued(values)(original, str(problem.TIME_COLUMN))


def _before_moved(original: Original) -> pd.DataFrame:
    """The rows of the file before, as if they had happened in the time of this one."""
    time = problem.TIME_COLUMN
    moved = original.before[time] - original.before[time].min() + original.raw[time].min()
    return original.before.assign(**{time: moved})[moved <= original.raw[time].max()]


LAST_ROW = "missing type category"
"""What is wrong with the last row of a text file that ends too early; other formats cannot be read at all."""

FILE_FAULTS = (
    ("empty file", "an upload that never began", "unreadable empty", _rewrite(lambda _: b"")),
    (
        "half a file",
        "an upload that broke off",
        f"unreadable {LAST_ROW}",
        _rewrite(lambda content: content[: len(content) // 2]),
    ),
    ("last bytes lost", "a disk that was full", "unreadable", _rewrite(lambda content: content[:-7])),
    ("zeros inside", "a damaged disk", f"unreadable {LAST_ROW}", _rewrite(_zeroed)),
    (
        "error page",
        "a download that got an answer in HTML",
        "unreadable missing",
        _rewrite(lambda _: b"<html>502</html>"),
    ),
    ("wrong encoding", "written as UTF-16", "unreadable", _rewrite(lambda raw: raw.decode("latin-1").encode("utf-16"))),
    ("wrong name", "a file that the loader would pass over", "unreadable", _rename),
)
"""(name, why, reasons, what happens to the file)."""

FRAME_FAULTS = (
    ("no rows", "an export that found nothing", "empty unreadable", lambda o: o.raw.head(0)),
    (
        "one row in twenty twice",
        "a retry that wrote again",
        "duplicates",
        lambda o: _ordered(o.raw, o.raw[o.some(FEW)]),
    ),
    ("every row twice", "two exports in one file", "duplicates", lambda o: _ordered(o.raw, o.raw)),
    ("the file before, again", "an old file under a new name", "overlap mix", lambda o: o.before),
    ("answer as a column", "the model would read it", "unknown", lambda o: o.raw.assign(answer=o.label_rank)),
)
"""(name, why, reasons, the rows after it)."""

SWAPS = (
    ("swapped numbers", "limit type drift relation", lambda o: _numbers(o, nullable=False)),
    ("swapped optional numbers", "limit type drift disagree", _optional),
    ("swapped categories", "category", lambda o: _categories(o, closed=True)),
)
"""(name, reasons, columns of which the first and the last change their names)."""

TIME_FAULTS = (
    (
        "time: dropped",
        "rows cannot be ordered",
        "missing unreadable",
        lambda o: o.raw.drop(columns=problem.TIME_COLUMN),
    ),
    ("time: five hours ahead", "a time zone applied twice", "clock", _timed(lambda _, v: v + FIVE_HOURS)),
    ("time: five hours behind", "a time zone taken off twice", "clock overlap", _timed(lambda _, v: v - FIVE_HOURS)),
    ("time: no time zone", "nobody knows which clock it is", "clock", _timed(lambda _, v: v.dt.tz_localize(None))),
    ("time: in the future", "labels that nobody can know", "future", _timed(lambda _, v: v + CENTURY)),
    ("time: a year early", "a wrong year in the export", "gap overlap", _timed(lambda _, v: v - YEAR)),
    (
        "time: 1970",
        "seconds read as nanoseconds",
        "gap",
        _timed(lambda _, v: pd.to_datetime(v.astype("int64") // 1e9, utc=True)),
    ),
    ("time: as text", "an export that quotes everything", "type unreadable", _timed(lambda _, v: v.astype(str))),
    ("time: 30% missing", "rows cannot be ordered", "missing", _timed(lambda o, v: v.mask(o.some()))),
    (
        "time: the same everywhere",
        "the time of the export",
        "clock gap single",
        _timed(lambda _, v: v.iloc[len(v) // 2]),
    ),
    ("time: backwards", "an order that splits rely on", "order", lambda o: o.raw[::-1]),
    ("the file before, with new times", "old rows, relabelled", "mix disagree", _before_moved),
)

LABEL_FAULTS = (
    (
        "label: dropped",
        "nothing to learn from",
        "missing unreadable unlabelled",
        lambda o: o.raw.drop(columns=o.outcomes),
    ),
    ("label: shuffled", "nothing can be learned", "label", lambda o: o.outcomes_of(o.rng.permutation(len(o.raw)))),
    ("label: reversed", "a flag read the wrong way round", "label", lambda o: o.outcomes_of(o.opposite())),
    (
        "label: one everywhere",
        "a join that found nothing",
        "label single",
        lambda o: o.outcomes_of(np.repeat(o.highest()[:1], len(o.raw))),
    ),
    (
        "label: shift",
        "half the rows got the highest",
        "label",
        lambda o: o.outcomes_of(np.where(o.some(0.5), o.rng.choice(o.highest(), len(o.raw)), np.arange(len(o.raw)))),
    ),
    (
        "label: 30% missing",
        "a join that lost rows",
        "unlabelled missing",
        lambda o: o.raw.assign(**{name: o.raw[name].mask(o.some()) for name in o.outcomes}),
    ),
    (
        "label: conflicting",
        "the same rows with another outcome",
        "conflicting",
        lambda o: _ordered(o.raw, o.conflicting()),
    ),
)

COLUMN_FAULTS = (
    ("dropped", "nothing to learn from", "missing unreadable", _any, lambda o, column: o.raw.drop(columns=column)),
    (
        "renamed",
        "its values are lost",
        "missing unreadable",
        _any,
        lambda o, column: o.raw.rename(columns={column: "x"}),
    ),
    (
        "text for numbers",
        "an export that quotes everything",
        "type unreadable",
        _required,
        _valued(lambda _, v: v.astype(str)),
    ),
    (
        "numbers with a unit",
        "an export for people",
        "type unreadable",
        _required,
        _valued(lambda _, v: v.astype(str) + " km"),
    ),
    (
        "mixed types",
        "a table edited by hand",
        "type unreadable",
        _required,
        _valued(lambda o, v: v.astype(str).mask(o.some(), "n/a")),
    ),
    ("flags for numbers", "a column cast by mistake", "type", _required, _valued(lambda _, v: v > v.median())),
    ("fractions", "averages for readings", "type", _whole, _valued(lambda _, v: v + 0.5)),
    (
        "codes for categories",
        "the output of an encoder",
        "type",
        _closed,
        _valued(lambda _, v: v.astype("category").cat.codes),
    ),
    (
        "bytes for text",
        "text in latin-1",
        "type unreadable",
        _closed,
        _valued(lambda _, v: v.map(lambda text: f"é{text}".encode("latin-1"))),
    ),
    ("unit times 1000", "metres for kilometres", "limit", _both, _valued(lambda _, v: v * 1000)),
    (
        "unit times 1.609",
        "kilometres for miles",
        "limit type drift disagree",
        _both,
        _valued(lambda _, v: (v * 1.609).round().astype(v.dtype)),
    ),
    ("unit by 1000", "kilometres for metres", "limit type drift disagree", _optional, _valued(lambda _, v: v / 1000)),
    (
        "Celsius for Fahrenheit",
        "another unit, within the limits",
        "limit type drift disagree",
        _optional,
        _valued(lambda _, v: (v - 32) / 1.8),
    ),
    (
        "mirrored",
        "a scale read from the wrong end",
        "limit type drift disagree",
        _optional,
        _valued(lambda _, v: _low(v.name) + _high(v.name) - v),
    ),
    (
        "one row above the limit",
        "a sample would miss it",
        "limit",
        _both,
        _valued(lambda _, v: v.where(v.index != len(v) // 2, _high(v.name) + 1)),
    ),
    (
        "one row below the limit",
        "a sample would miss it",
        "limit",
        _both,
        _valued(lambda _, v: v.where(v.index != len(v) // 2, _low(v.name) - 1)),
    ),
    ("sentinel", "-9999 is no reading", "limit", _both, _valued(lambda o, v: v.mask(o.some(FEW), -9999))),
    (
        "infinity",
        "a division by zero",
        "limit type",
        _optional,
        _valued(lambda o, v: v.astype(float).mask(o.some(FEW), np.inf)),
    ),
    (
        "the same everywhere",
        "a sensor that hangs, a filter left on",
        "single drift disagree",
        _any,
        _valued(lambda _, v: v.mode()[0]),
    ),
    (
        "rows mixed up",
        "a join by the wrong key",
        "relation disagree",
        _required,
        _valued(lambda o, v: o.rng.permutation(v)),
    ),
    (
        "new category in one row",
        "a sample would miss it",
        "category",
        _closed,
        _valued(lambda _, v: v.where(v.index != 7, "??")),
    ),
    (
        "new category in many rows",
        "nothing is known of it",
        "category",
        _open,
        _valued(lambda o, v: v.mask(o.some(), v.str[::-1])),
    ),
    ("lower case", "the same names, spelt otherwise", "category", _closed, _valued(lambda _, v: v.str.lower() + "x")),
    ("blanks at the end", "text from columns of fixed width", "category", _closed, _valued(lambda _, v: v + "  ")),
    (
        "empty text",
        "missing, and not marked so",
        "category missing",
        _closed,
        _valued(lambda o, v: v.mask(o.some(), "")),
    ),
    ("30% missing", "far more than ever", "missing type null", _any, _valued(lambda o, v: v.mask(o.some()))),
    (
        "all missing",
        "a source that is gone",
        "missing type null unreadable",
        _any,
        _valued(lambda _, v: v.mask(v.notna())),
    ),
    (
        "answer leaked into a number",
        "the model would read it",
        "label type",
        _optional,
        _valued(lambda o, v: _low(v.name) + (_high(v.name) - _low(v.name)) * o.label_rank),
    ),
    (
        "answer leaked into a category",
        "the model would read it",
        "label drift",
        _closed,
        _valued(lambda o, v: np.where(o.label_rank > np.median(o.label_rank), *v.value_counts().index[:2])),
    ),
)
"""(name, why, reasons, which columns, the rows after it)."""
