"""Findings of a batch: one for each column and check, as a sentence with a small picture and a guess of the cause."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch import cause
from slipway.batch.batch_reference import SEASONAL
from slipway.batch.batch_statistics import FROZEN_ROWS_MIN
from slipway.batch.root_column import root_column
from slipway.batch.statistic_values import from_arcsine
from slipway.evaluation.segments import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway.batch.batch_reference import BatchReference
    from slipway.batch.column_models import Measured
    from slipway.batch.interval import Excess

RELATION, CLOCK, LABEL, ORDER = "Relation Between Columns", "Clock Relation", "Label Relation", "Row Order"
REPEATS, MISSING, DRIFT = "Row Samples Mix", "Missing Values", "Learned Drift"
CONDITIONS = {
    RELATION: "Columns disagree no more than in windows of the reference",
    CLOCK: "The clock and the columns disagree no more than in windows of the reference",
    LABEL: "The label follows the columns as in windows of the reference, and no column carries more of it",
    ORDER: "Consecutive rows differ as much as in windows of the reference",
    REPEATS: "No more rows repeat rows of the reference than rows of its windows repeat others",
    MISSING: "As many values are missing as in windows of the reference",
    DRIFT: "Each column has the distribution of a window of the reference, and no single value or new category",
}
CHECKS = {
    "error": RELATION,
    "outliers": RELATION,
    "bias": RELATION,
    "moved": RELATION,
    "clock": CLOCK,
    "times": CLOCK,
    "follows": LABEL,
    "uneven": LABEL,
    "falls": RELATION,
    "carries": LABEL,
    "conflicts": LABEL,
    "copies": LABEL,
    "repeats": REPEATS,
    "steps": ORDER,
    "frozen": ORDER,
    "missing": MISSING,
}
"""Check of each statistic; the others belong to `DRIFT`."""
UNLIKE = "{name} no longer follows from {partners}: "
SENTENCES: dict[str, Callable[..., str]] = {
    "error": (UNLIKE + "error {ratio:.1f} times the reference's").format,
    "outliers": (UNLIKE + "{fraction} of errors are outliers, in the reference {before},").format,
    "bias": (UNLIKE + "off by {moved:+.1f} mean errors").format,
    "clock": "{name} no longer follows from the clock: error {ratio:.1f} times the reference's".format,
    "moved": "{name} follows from {partners} better when it is moved by some rows".format,
    "follows": "{name} no longer follows from the other columns: correlation {correlation}".format,
    "uneven": "{name} follows from the other columns unlike in other segments: correlation {moved:+.2f}".format,
    "falls": "{name} follows from the other columns no more than by chance: correlation {correlation}".format,
    "carries": "{name} carries the label: correlation with what other columns leave of it {correlation}".format,
    "copies": "{name} is the label under another name: correlation {correlation}".format,
    "steps": "{name} differs between consecutive rows {ratio:.2g} times as much as in the reference".format,
    "repeats": "{fraction} of rows repeat rows of the reference; of rows of its windows, {before}".format,
    "frozen": "{name} keeps a single value for {run} consecutive rows, in the reference {run_before},".format,
    "distinct": "{name} has {ratio:.2g} times as many distinct values as the reference".format,
    "absent": "{name} lacks values of {fraction} of the reference's rows, a window of them {before},".format,
    "shape": "{name} is at distance {value:.2f} from the distribution of any window, before {mean:.2f}".format,
}
"""Sentence of each statistic; the others are fractions of rows with one of `WORDS`."""
WORDS = {
    "conflicts": "conflicting labels of equal rows",
    "equal": "a single value",
    "unknown": "a category that the reference lacks",
    "new": "a value between those of the reference",
    "missing": "missing values",
    "times": "a time of day that the reference lacks",
}
BARS = "▁▂▃▄▅▆▇█"
PICTURE_BINS = 8


@dataclass(frozen=True)
class BatchFinding:
    """A column that is outside its intervals in one check; the worst statistic describes it."""

    check: str
    column: str
    segment: str
    statistic: str
    score: float
    sentence: str
    cause: str
    expected: str
    """Distribution that the reference lets expect, as bars from the lowest to the highest value."""
    observed: str

    @property
    def text(self) -> str:
        """Return sentence, picture and guess."""
        picture = f" (expected {self.expected}, observed {self.observed})" if self.expected else ""
        return self.sentence + picture + (f"; looks like {self.cause}" if self.cause else "")


def findings(reference: BatchReference, measured: Measured, excesses: Sequence[Excess]) -> list[BatchFinding]:
    """Return a finding for each column and check with a statistic outside its interval, worst first.

    Where the worst is about a relation, the findings of the column behind it come first.
    """
    worst: dict[tuple[str, str], Excess] = {}
    outside = [excess for excess in excesses if excess.score > 1]
    seasons = _seasons(reference, measured, outside)
    for excess in outside:
        if excess.key.statistic not in SEASONAL or excess.key.column not in seasons:
            worst.setdefault((_check(excess), excess.key.column), excess)
    listed = [_finding(check, excess, reference, measured) for (check, _), excess in worst.items()]
    if not listed or listed[0].check != RELATION:
        return listed
    root = root_column(reference, measured, excesses)
    return sorted(listed, key=lambda finding: finding.column != root)


def _seasons(reference: BatchReference, measured: Measured, outside: Sequence[Excess]) -> set[str]:
    """Return the columns whose distribution moved with the others; a column moved by a faulty one is none of them."""
    moved = [excess.key.column for excess in outside if excess.key.statistic == "shape"]
    seasons = {name for name in moved if reference.is_season(measured, name)}
    faulty = set(moved) - seasons
    return {name for name in seasons if not faulty & set(reference.partners(name))}


def _check(excess: Excess) -> str:
    if excess.key.column == problem.TARGET and excess.key.statistic in ("error", "falls"):
        return LABEL
    return CHECKS.get(excess.key.statistic, DRIFT)


def _finding(check: str, excess: Excess, reference: BatchReference, measured: Measured) -> BatchFinding:
    name, segment, statistic = excess.key.column, excess.key.segment, excess.key.statistic
    where = f" in {segment}" if segment != ALL else f" in {len(measured.rows):,} rows"
    guessed = _cause(check, reference, measured, name)
    expected, observed = picture(reference, measured, name, check)
    sentence = _sentence(excess, reference) + where
    return BatchFinding(check, name, segment, statistic, round(excess.score, 2), sentence, guessed, expected, observed)


def _cause(check: str, reference: BatchReference, measured: Measured, name: str) -> str:
    if check == LABEL:
        return cause.swapped_category(reference, measured, name)
    return cause.guess(reference, measured, name) if check in (RELATION, CLOCK, ORDER) else ""


def _sentence(excess: Excess, reference: BatchReference) -> str:
    name, statistic = excess.key.column, excess.key.statistic
    write = SENTENCES.get(statistic) or partial(_fraction, statistic)
    return write(
        name=f"`{name}`",
        partners=" and ".join(f"`{partner}`" for partner in reference.partners(excess.key.column)),
        ratio=float(np.exp(excess.value - excess.mean)),
        correlation=f"{np.tanh(excess.value):.2f}, in the reference {np.tanh(excess.mean):.2f}",
        fraction=_ratio(excess.value),
        before=_ratio(excess.mean),
        value=excess.value,
        mean=excess.mean,
        moved=excess.value - excess.mean,
        run=_run(excess.value),
        run_before=_run(excess.mean),
    )


def _fraction(statistic: str, *, name: str, fraction: str, before: str, **_: object) -> str:
    return f"{name} has {WORDS.get(statistic, statistic)} in {fraction} of rows, in the reference {before}"


def _run(value: float) -> str:
    return f"{np.exp(value) - FROZEN_ROWS_MIN + 1:.0f}"


def _ratio(value: float) -> str:
    return f"{from_arcsine(value):.1%}"


def picture(reference: BatchReference, measured: Measured, name: str, check: str) -> tuple[str, str]:
    """Return the distributions of the expected and of the observed values of a number, as bars; empty for others.

    Expected are the predictions from the other columns where the relation is judged, else the reference.
    """
    if name not in reference.profiles or reference.profiles[name].kind != "number":
        return "", ""
    values = measured.rows.features[name].to_numpy(dtype=float)
    place = list(reference.profiles).index(name)
    relation = check in (RELATION, CLOCK)
    expected = measured.predictions[:, place] if relation else reference.rows.features[name].to_numpy(dtype=float)
    values, expected = values[~np.isnan(values)], expected[~np.isnan(expected)]
    if not len(values) or not len(expected):
        return "", ""
    low, high = np.quantile(np.concatenate([values, expected]), [0.01, 0.99])
    edges = np.linspace(low, high, PICTURE_BINS + 1)
    if edges[0] == edges[-1]:
        return "", ""
    return _bars(expected, edges), _bars(values, edges)


def _bars(values: np.ndarray, edges: np.ndarray) -> str:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    heights = np.ceil(counts / max(counts.max(), 1) * (len(BARS) - 1)).astype(int)
    return "".join(BARS[height] for height in heights)
