"""A corpus of mutants: copies of a real file with one injected fault each, and the reason to block it for.

Tables list the faults; the kind and the limits of columns in `Row` decide which columns a fault applies to. A problem
without columns of a kind has fewer mutants, as has a problem whose loader derives its columns from others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.errors import DataError, SettingError
from slipway.lab import partial_faults
from slipway.schema.fields import fields

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
TEXT_SUFFIXES = {".csv"}  # formats without types and without an end marker
NOT_IN_TEXT = {"last bytes lost", "text for numbers", "bytes for text", "time: as text", "time: no time zone"}
"""Faults that a text file cannot express."""
PARTIAL_RATIO = 0.3  # fraction of rows that a partial fault corrupts
INVERTED_RATIO = 0.2  # fraction of rows with an inverted label
SMALL_RATIO = 0.05  # fraction of rows that a small fault corrupts
FIVE_HOURS = pd.Timedelta(hours=5)  # a common offset of a local clock from UTC
CENTURY = pd.Timedelta(days=36525)
YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True)
class Mutant:
    """A fault that can be injected into a file.

    The right reason to block it contains a word of `reasons` and, where `columns` is not empty, one of these names.
    """

    name: str
    why: str
    reasons: tuple[str, ...]
    columns: tuple[str, ...]
    corrupt: Callable[[Path], None]
    """Corrupt the file in place, or replace it."""


@dataclass(frozen=True)
class Original:
    """The file that mutants derive from: raw columns, loaded rows, and the raw columns of the previous file."""

    raw: pd.DataFrame
    loaded: pd.DataFrame
    before: pd.DataFrame
    seed: int
    suffix: str = ".parquet"

    def __post_init__(self) -> None:
        if len(self.raw) != len(self.loaded):
            ratio = f"{len(self.loaded)} of {len(self.raw)}"
            raise DataError(
                f"problem.load returns {ratio} rows of a file; mutants need every row, so let it keep all of them"
            )

    @property
    def rng(self) -> np.random.Generator:
        """Return a new generator, so that the draws of a mutant do not depend on other mutants."""
        return np.random.default_rng(self.seed)

    def some(self, ratio: float = PARTIAL_RATIO) -> np.ndarray:
        """Return True for a random fraction `ratio` of the rows, shape (n,)."""
        return self.rng.random(len(self.raw)) < ratio

    @cached_property
    def outcomes(self) -> list[str]:
        """Raw columns that the label derives from: itself, or else all that are neither in `Row` nor the time."""
        if problem.TARGET in self.raw:
            return [problem.TARGET]
        return [str(name) for name in self.raw if name not in {*problem.Row.model_fields, problem.TIME_COLUMN}]

    @cached_property
    def label_rank(self) -> np.ndarray:
        """Ranks of the labels in (0, 1], shape (n,); rows without a label have 0.5."""
        ranks: np.ndarray = self.loaded[problem.TARGET].rank(pct=True).astype(float).fillna(0.5).to_numpy()
        return ranks

    def outcomes_of(self, places: np.ndarray) -> pd.DataFrame:
        """Return all rows with the outcomes of the rows at positions `places`."""
        return self.raw.assign(**{name: self.raw[name].take(places).to_numpy() for name in self.outcomes})

    def highest(self) -> np.ndarray:
        """Return the positions of the rows with the highest label."""
        return np.flatnonzero(self.label_rank == self.label_rank.max())

    def opposite(self) -> np.ndarray:
        """Return for each row the position of a random row with the mirrored rank of its label."""
        _, level, count = np.unique(self.label_rank, return_inverse=True, return_counts=True)
        mirrored = len(count) - 1 - level
        start = np.cumsum(count) - count
        within = (self.rng.random(len(level)) * count[mirrored]).astype(int)
        opposite: np.ndarray = np.argsort(level, kind="stable")[start[mirrored] + within]
        return opposite

    def conflicting(self) -> pd.DataFrame:
        """Return some rows with the outcomes of their opposite, where that has another label."""
        opposite = self.opposite()
        chosen = self.some() & (self.label_rank != self.label_rank[opposite])
        rows: pd.DataFrame = self.outcomes_of(opposite)[chosen]
        return rows


def read(path: Path) -> pd.DataFrame:
    """Return the raw columns of a data file. Raises UserError for a format without a reader."""
    if path.suffix not in READERS:
        raise SettingError(
            f"{path}: mutants need {' or '.join(READERS)} files; add a reader and a writer of {path.suffix} to"
            " src/slipway/lab/data_mutants.py"
        )
    raw = READERS[path.suffix](path)
    if problem.TIME_COLUMN in raw and not pd.api.types.is_datetime64_any_dtype(raw[problem.TIME_COLUMN]):
        raw[problem.TIME_COLUMN] = pd.to_datetime(raw[problem.TIME_COLUMN], utc=True)
    return raw


def corpus(original: Original) -> list[Mutant]:
    """Return every mutant that the columns of the problem allow."""
    frames = [
        *FRAME_FAULTS,
        *(TIME_FAULTS if problem.TIME_COLUMN else ()),
        *(LABEL_FAULTS if original.outcomes else ()),
    ]
    mutants = [
        *(Mutant(name, why, tuple(reasons.split()), (), corrupt) for name, why, reasons, corrupt in FILE_FAULTS),
        *(_of_frame(original, *fault) for fault in frames),
        *_swaps(original),
        *(mutant for fault in COLUMN_FAULTS for mutant in _of_columns(original, *fault)),
    ]
    if original.suffix not in TEXT_SUFFIXES:
        return mutants
    return [mutant for mutant in mutants if not {mutant.name, mutant.name.rpartition(": ")[0]} & NOT_IN_TEXT]


def _of_frame(
    original: Original, name: str, why: str, reasons: str, change: Callable[[Original], pd.DataFrame]
) -> Mutant:
    def corrupt(path: Path) -> None:
        WRITERS[path.suffix](change(original), path)

    return Mutant(name, why, tuple(reasons.split()), (), corrupt)


def _of_columns(
    original: Original,
    name: str,
    why: str,
    reasons: str,
    pick: Callable[[Original], Sequence[str]],
    change: Callable[[Original, str], pd.DataFrame],
) -> Iterator[Mutant]:
    for column in pick(original):

        def corrupt(path: Path, column: str = column) -> None:
            WRITERS[path.suffix](change(original, column), path)

        yield Mutant(f"{name}: {column}", why, tuple(reasons.split()), (column,), corrupt)


def _valued(values: Callable[[Original, pd.Series], Any]) -> Callable[[Original, str], pd.DataFrame]:
    """Return a change of the values of one column."""
    return lambda original, column: original.raw.assign(**{column: values(original, original.raw[column])})


def _low(name: object) -> float:
    return fields(problem.Row)[str(name)].low


def _high(name: object) -> float:
    return fields(problem.Row)[str(name)].high


def _numbers(original: Original, *, nullable: bool) -> list[str]:
    """Return numbers with limits, the most varied first: faults in columns of few values are hard to detect."""
    limited = [
        field.name
        for field in fields(problem.Row).values()
        if field.optional == nullable and field.minimum is not None and field.maximum is not None
    ]
    return sorted((name for name in limited if name in original.raw), key=lambda name: -original.raw[name].nunique())


def _categories(original: Original, *, closed: bool) -> list[str]:
    strings = [field for field in fields(problem.Row).values() if field.type == "string"]
    return [field.name for field in strings if field.name in original.raw and (field.categories is not None) == closed]


def _required(original: Original) -> list[str]:
    return _numbers(original, nullable=False)[:1]


def _whole(original: Original) -> list[str]:
    """Return the most varied required integer."""
    described = fields(problem.Row)
    return [name for name in _numbers(original, nullable=False) if described[name].type == "integer"][:1]


def _optional(original: Original) -> list[str]:
    """Return the two optional numbers with the lowest rate of missing values."""
    return sorted(_numbers(original, nullable=True), key=lambda name: original.raw[name].isna().mean())[:2]


def _both(original: Original) -> list[str]:
    return [*_numbers(original, nullable=False)[:2], *_optional(original)]


def _closed(original: Original) -> list[str]:
    return _categories(original, closed=True)[:1]


def _open(original: Original) -> list[str]:
    return _categories(original, closed=False)[:1]


def _exchangeable(original: Original) -> list[str]:
    return [name for name in [*_closed(original), *_open(original)] if original.raw[name].nunique() > 1]


def _any(original: Original) -> list[str]:
    return [*_required(original), *_optional(original)[:1], *_closed(original), *_open(original)]


def _often_missing(original: Original) -> list[str]:
    """Return the optional number that is missing most often, if some of its values are missing."""
    names = sorted(_numbers(original, nullable=True), key=lambda name: -original.raw[name].isna().mean())
    return [name for name in names[:1] if 0 < original.raw[name].isna().mean() < 1]


def _stuck(values: pd.Series) -> pd.Series:
    """Return `values` with a tenth of the rows, in the middle, all as the first of them."""
    first, last = len(values) // 2, len(values) // 2 + len(values) // 10
    return values.mask((np.arange(len(values)) >= first) & (np.arange(len(values)) < last), values.iloc[first])


def _zeroed(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def corrupt(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return corrupt


def _rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.part"))


def _ordered(*chunks: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all chunks, ordered by time where there is one."""
    rows = pd.concat(chunks, ignore_index=True)
    return rows.sort_values(problem.TIME_COLUMN, kind="stable", ignore_index=True) if problem.TIME_COLUMN else rows


def _swaps(original: Original) -> Iterator[Mutant]:
    """Yield the mutants of `SWAPS` that the problem has two columns for."""
    for name, reasons, pick in SWAPS:
        picked = pick(original)
        if len(picked) > 1:
            pair = (picked[0], picked[-1])
            mutant = _of_frame(original, name, "names of two columns swapped", reasons, _swapped(*pair))
            yield replace(mutant, columns=pair)


def _swapped(left: str, right: str) -> Callable[[Original], pd.DataFrame]:
    return lambda original: original.raw.rename(columns={left: right, right: left})


def _timed(values: Callable[[Original, pd.Series], Any]) -> Callable[[Original], pd.DataFrame]:
    """Return a change of the time column."""
    return lambda original: _valued(values)(original, str(problem.TIME_COLUMN))


def _before_moved(original: Original) -> pd.DataFrame:
    """Return the rows of the previous file, moved into the period of this file."""
    time = str(problem.TIME_COLUMN)
    moved = original.before[time] - original.before[time].min() + original.raw[time].min()
    rows: pd.DataFrame = original.before.assign(**{time: moved})
    within: pd.DataFrame = rows[moved <= original.raw[time].max()]
    return within


LAST_ROW = "missing type category"
"""Reasons for a text file that is cut off: its last row is invalid. Other formats are unreadable."""

FILE_FAULTS = (
    ("empty file", "an upload that did not start", "unreadable empty", _rewrite(lambda _: b"")),
    (
        "half a file",
        "an interrupted upload",
        f"unreadable {LAST_ROW}",
        _rewrite(lambda content: content[: len(content) // 2]),
    ),
    ("last bytes lost", "a full disk", "unreadable", _rewrite(lambda content: content[:-7])),
    ("zeros inside", "a damaged disk", f"unreadable {LAST_ROW}", _rewrite(_zeroed)),
    (
        "error page",
        "a download of an HTML error page",
        "unreadable missing",
        _rewrite(lambda _: b"<html>502</html>"),
    ),
    ("wrong encoding", "written as UTF-16", "unreadable", _rewrite(lambda raw: raw.decode("latin-1").encode("utf-16"))),
    ("wrong name", "a file that the loader would skip", "unreadable", _rename),
)
"""(name, why, reasons, change of the file)."""

FRAME_FAULTS = (
    ("no rows", "an export without a result", "empty unreadable", lambda o: o.raw.head(0)),
    (
        "one row in twenty repeated",
        "a retry that wrote rows again",
        "duplicates",
        lambda o: _ordered(o.raw, o.raw[o.some(SMALL_RATIO)]),
    ),
    ("every row repeated", "two exports in one file", "duplicates", lambda o: _ordered(o.raw, o.raw)),
    (
        "one row in twenty stale",
        "a source that repeated its last answer",
        "repeat duplicates consecutive",
        lambda o: partial_faults.stale(o, SMALL_RATIO),
    ),
    ("previous file again", "an old file under a new name", "overlap mix", lambda o: o.before),
    ("label as a column", "the model would read the label", "unknown", lambda o: o.raw.assign(answer=o.label_rank)),
)
"""(name, why, reasons, change of the rows)."""

SWAPS = (
    ("swapped numbers", "limit type drift relation", lambda o: _numbers(o, nullable=False)),
    ("swapped optional numbers", "limit type drift disagree", _optional),
    ("swapped categories", "category swap", lambda o: _categories(o, closed=True)),
)
"""(name, reasons, columns whose first and last swap their names)."""

TIME_FAULTS = (
    (
        "time: dropped",
        "rows cannot be ordered",
        "missing unreadable",
        lambda o: o.raw.drop(columns=problem.TIME_COLUMN),
    ),
    ("time: five hours ahead", "a time zone applied twice", "clock", _timed(lambda _, v: v + FIVE_HOURS)),
    ("time: five hours behind", "a time zone removed twice", "clock overlap", _timed(lambda _, v: v - FIVE_HOURS)),
    ("time: no time zone", "an ambiguous clock", "clock", _timed(lambda _, v: v.dt.tz_localize(None))),
    ("time: in the future", "labels that cannot be known yet", "future", _timed(lambda _, v: v + CENTURY)),
    ("time: a year early", "a wrong year in the export", "gap overlap clock", _timed(lambda _, v: v - YEAR)),
    (
        "time: 1970",
        "seconds read as nanoseconds",
        "gap",
        _timed(lambda _, v: pd.to_datetime(v.astype("int64") // 1e9, utc=True)),
    ),
    ("time: as text", "an export that quotes everything", "type unreadable", _timed(lambda _, v: v.astype(str))),
    ("time: 30% missing", "rows cannot be ordered", "missing", _timed(lambda o, v: v.mask(o.some()))),
    (
        "time: constant",
        "the time of the export",
        "clock gap single",
        _timed(lambda _, v: v.iloc[len(v) // 2]),
    ),
    (
        "time: a number that stays",
        "a sensor that hung",
        "consecutive single",
        lambda o: o.raw.assign(
            **{name: _stuck(o.raw[name]) for name in _optional(o)[:1] or _numbers(o, nullable=False)[:1]}
        ),
    ),
    ("time: reversed", "a wrong order for splits", "order", lambda o: o.raw[::-1]),
    ("previous file with new times", "old rows with new times", "mix disagree", _before_moved),
)

LABEL_FAULTS = (
    (
        "label: dropped",
        "nothing to learn from",
        "missing unreadable unlabelled",
        lambda o: o.raw.drop(columns=o.outcomes),
    ),
    ("label: shuffled", "nothing can be learned", "label", lambda o: o.outcomes_of(o.rng.permutation(len(o.raw)))),
    ("label: reversed", "an inverted flag", "label", lambda o: o.outcomes_of(o.opposite())),
    (
        "label: constant",
        "a join without matches",
        "label single",
        lambda o: o.outcomes_of(np.repeat(o.highest()[:1], len(o.raw))),
    ),
    (
        "label: shift",
        "half of the rows with the highest label",
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
        "equal rows with different labels",
        "conflicting",
        lambda o: _ordered(o.raw, o.conflicting()),
    ),
    (
        "label: shuffled in one segment",
        "one source joined by the wrong key",
        "label",
        lambda o: partial_faults.shuffled(o, partial_faults.segment(o)),
    ),
    (
        "label: inverted in some rows",
        "one source with the opposite flag",
        "label",
        lambda o: partial_faults.inverted(o, INVERTED_RATIO),
    ),
)

COLUMN_FAULTS = (
    ("dropped", "nothing to learn from", "missing unreadable", _any, lambda o, column: o.raw.drop(columns=column)),
    (
        "renamed",
        "values lost under another name",
        "missing unreadable",
        _any,
        lambda o, column: o.raw.rename(columns={column: f"other {column}"}),
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
        "an export for display",
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
    ("fractions", "averages in place of counts", "type", _whole, _valued(lambda _, v: v + 0.5)),
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
    ("unit times 1000", "meters for kilometers", "limit", _both, _valued(lambda _, v: v * 1000)),
    (
        "unit times 1.609",
        "kilometers for miles",
        "limit type drift disagree",
        _both,
        _valued(lambda _, v: (v * 1.609).round().astype(v.dtype)),
    ),
    ("unit by 1000", "kilometers for meters", "limit type drift disagree", _optional, _valued(lambda _, v: v / 1000)),
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
    ("sentinel", "-9999 for a missing value", "limit", _both, _valued(lambda o, v: v.mask(o.some(SMALL_RATIO), -9999))),
    (
        "infinity",
        "a division by zero",
        "limit type",
        _optional,
        _valued(lambda o, v: v.astype(float).mask(o.some(SMALL_RATIO), np.inf)),
    ),
    (
        "constant",
        "a stuck sensor, or a filter left on",
        "single drift disagree",
        _any,
        _valued(lambda _, v: v.mode()[0]),
    ),
    (
        "clipped",
        "a limit of the source",
        "single drift disagree",
        _optional,
        _valued(lambda _, v: v.clip(upper=float(v.quantile(0.8)))),
    ),
    (
        "clipped from below",
        "a detection limit of the source",
        "single drift disagree",
        _optional,
        _valued(partial_faults.clipped_below),
    ),
    ("one row late", "a join off by one", "relation disagree consecutive", _optional, _valued(partial_faults.late)),
    (
        "missing in one segment",
        "one source that did not deliver",
        "missing type null",
        _optional,
        _valued(lambda o, v: v.mask(partial_faults.segment(o))),
    ),
    (
        "two codes exchanged in half of the rows",
        "two versions of a code list",
        "category disagree relation drift",
        _exchangeable,
        _valued(partial_faults.exchanged),
    ),
    (
        "unit times 1.609 in some rows",
        "one source in kilometers",
        "limit type drift disagree consecutive",
        _both,
        _valued(lambda o, v: v.mask(o.some(), (v * 1.609).round().astype(v.dtype))),
    ),
    (
        "missing filled",
        "a default for missing values",
        "missing single drift",
        _often_missing,
        _valued(lambda _, v: v.fillna(v.dropna().sort_values().iloc[v.count() // 2])),
    ),
    (
        "most frequent lost",
        "a source that did not deliver",
        "drift",
        _closed,
        lambda o, column: o.raw[o.raw[column] != o.raw[column].mode()[0]],
    ),
    (
        "rows permuted",
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
        "a category without training rows",
        "category",
        _open,
        _valued(lambda o, v: v.mask(o.some(), v.str[::-1])),
    ),
    ("lower case", "another spelling of the names", "category", _closed, _valued(lambda _, v: v.str.lower() + "x")),
    ("trailing blanks", "text from fixed-width columns", "category", _closed, _valued(lambda _, v: v + "  ")),
    (
        "empty text",
        "missing values that are not marked",
        "category missing",
        _closed,
        _valued(lambda o, v: v.mask(o.some(), "")),
    ),
    (
        "30% missing",
        "far more missing values than before",
        "missing type null",
        _any,
        _valued(lambda o, v: v.mask(o.some())),
    ),
    (
        "all missing",
        "a source that is gone",
        "missing type null unreadable",
        _any,
        _valued(lambda _, v: v.mask(v.notna())),
    ),
    (
        "label leaked into a number",
        "the model would read the label",
        "label type",
        _optional,
        _valued(lambda o, v: _low(v.name) + (_high(v.name) - _low(v.name)) * o.label_rank),
    ),
    (
        "label leaked into a category",
        "the model would read the label",
        "label drift",
        lambda o: [name for name in _closed(o) if o.raw[name].nunique() > 1],
        _valued(lambda o, v: np.where(o.label_rank > np.median(o.label_rank), *v.value_counts().index[:2])),
    ),
)
"""(name, why, reasons, choice of columns, change of the rows)."""
