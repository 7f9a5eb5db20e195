"""The corpus of live faults: what can go wrong in production, and where it must be found.

A fault is named rightly when the first question that fails is one of its questions, and the first column that is told
there is one of its columns. Columns are picked by their kind and by what training showed of them, never by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.monitoring.picker import Picker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow

    Change = Callable[[LiveWindow], LiveWindow]

FEW, TENTH, THIRD, HALF, MOST = 0.05, 0.1, 1 / 3, 0.5, 0.75


@dataclass(frozen=True)
class Fault:
    """What goes wrong, the questions and the columns of which one must be told first, and how to bring it about."""

    name: str
    why: str
    questions: tuple[str, ...]
    columns: tuple[str, ...]
    spoil: Change


def corpus(reference: Reference, days: float, seed: int) -> list[Fault]:
    """Every fault that the problem has columns for."""
    pick, some = Picker(reference, days), _Some(seed)
    whole = [*_of_traffic(some), *_of_answers(some), *_of_service()]
    return [
        *_of_columns(pick, some),
        *_of_rows(pick, some),
        *(Fault(name, why, (question,), (), change) for question, name, why, change in whole),
    ]


class _Some:
    """Draws."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def __call__(self, rows: Any, share: float) -> np.ndarray:
        """Which of `rows` are among a share of them."""
        return self.random.random(len(rows)) < share


def _of_columns(pick: Picker, some: _Some) -> Iterator[Fault]:
    """Faults of the values of one column."""
    either, skew = ("validity", "skew"), ("skew",)
    for name, why, questions, picked, change in (
        ("scale", "Celsius for Fahrenheit", either, pick.optional[:2], lambda v: (v - 32) / 1.8),
        ("unit", "kilometres for miles", either, pick.steady[:2], lambda v: pick.within(v * 1.609)),
        ("stuck", "a sensor that hangs", skew, pick.numbers[:3], lambda v: v.where(v.isna(), v.mode().iloc[0])),
        ("feed gone", "a source that no longer answers", skew, pick.optional[:2], lambda v: v.mask(v.notna())),
        ("half gone", "one of two sources", skew, pick.optional[:2], lambda v: v.mask(some(v, HALF))),
        ("missing as zero", "a default that nobody meant", either, pick.often_missing[:2], lambda v: v.fillna(0)),
        ("missing as -999", "a code for missing", ("validity",), pick.often_missing[:2], lambda v: v.fillna(-999)),
        ("sign", "turned round on the way", either, pick.optional[:2], lambda v: -v),
        ("precision", "rounded on the way", skew, pick.uneven[:2], pick.rounded),
        ("outliers", "a loose contact", skew, pick.roomy[:2], lambda v: v.mask(some(v, FEW), pick.high(v.name))),
        ("clock", "a time zone applied twice", skew, pick.clocks[:2], pick.later),
        ("mixed up", "a join by the wrong key", skew, pick.numbers[:2], lambda v: some.random.permutation(v)),
        ("recycled", "a code that was given anew", skew, pick.categories[:1], _recycled),
        (
            "unheard of",
            "a list that was extended",
            either,
            pick.categories[-1:],
            lambda v: v.mask(some(v, HALF), "ZZZ"),
        ),
        ("one name", "a filter left on", skew, pick.categories[:2], lambda v: v.mode().iloc[0]),
    ):
        for column in picked:
            spoil = _inputs(pick, lambda rows, name=column, change=change: rows.assign(**{name: change(rows[name])}))
            yield Fault(f"{name}: {column}", why, questions, (column,), spoil)


def _of_rows(pick: Picker, some: _Some) -> Iterator[Fault]:
    """Faults of which rows come, and of two columns at once."""
    for pair in (pick.optional[:2], pick.clocks[:2]):
        if len(pair) > 1:
            one, other = pair
            swap = _inputs(pick, lambda rows, a=one, b=other: rows.assign(**{a: rows[b], b: rows[a]}))
            yield Fault(f"swapped: {one}, {other}", "under each other's name", ("validity", "skew"), (one, other), swap)
    for column in problem.SEGMENTS[:1]:
        mix = _rows(lambda rows, c=column: rows[(rows[c] == rows[c].mode().iloc[0]) | ~some(rows, MOST)])
        yield Fault(f"mix: {column}", "other clients than before", ("skew",), (column,), mix)
    for column in pick.steady[:1]:
        biased = _rows(lambda rows, c=column: rows[rows[c] > rows[c].median()])
        yield Fault(f"biased: {column}", "only one half is sampled", ("skew",), (column,), biased)


def _of_traffic(some: _Some) -> Iterator[tuple[str, str, str, Change]]:
    yield "traffic", "twice", "a client that tries again", _rows(lambda rows: pd.concat([rows, _renamed(rows)]))
    yield "traffic", "yesterday again", "a feed that is stale", _again
    yield "traffic", "a day away", "a feed that was down", _gap
    yield "traffic", "a tenth", "a balancer that forgot us", _rows(lambda rows: rows[some(rows, TENTH)])
    yield "traffic", "silence", "nobody asks any more", _rows(lambda rows: rows.head(0))


def _of_answers(some: _Some) -> Iterator[tuple[str, str, str, Change]]:
    def other(rows: pd.DataFrame, share: float = 1.0) -> pd.DataFrame:
        mixed = pd.Series(some.random.permutation(rows["prediction"]), index=rows.index)
        return rows.assign(prediction=rows["prediction"].where(~some(rows, share), mixed))

    def one(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(prediction=[rows["prediction"].iloc[0]] * len(rows))

    yield "model", "another model", "swapped in silence", _rows(other)
    yield "model", "another model now and then", "one of twenty replicas", _rows(lambda rows: other(rows, FEW))
    yield "model", "one answer", "a fallback that is always taken", _rows(one)
    yield "labels", "labels late", "an export that waits", _labels(lambda w: w.labels[some(w.labels, THIRD)])
    yield "labels", "labels unmatched", "keys in another form", _labels(_of_others)
    yield "labels", "labels contradict", "outcomes that change", _labels(lambda w: _contradicted(w.labels, some))
    yield "performance", "labels shuffled", "outcomes of other rows", _labels(lambda w: _shuffled(w.labels, some))


def _of_service() -> Iterator[tuple[str, str, str, Change]]:
    for name, why, change in (
        ("errors", "one request in twenty fails", {"errors": 2_500}),
        ("slow", "a neighbour takes the machine", {"p50_milliseconds": 40.0, "p99_milliseconds": 300.0}),
        ("saturated", "more clients than anybody tried", {"peak_rate": 400.0}),
        ("refused", "a client that was changed", {"refused": 10_000}),
        ("log too small", "rows that nobody wrote down", {"lost_rows": 20_000}),
    ):
        yield "health", name, why, lambda w, change=change: replace(w, service=replace(w.service, **change))


def _rows(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """A change of the rows."""
    return lambda window: replace(window, rows=change(window.rows))


def _inputs(pick: Picker, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """A change of what the model is asked, and so of what it answers."""
    return _rows(lambda rows: pick.answered(change(rows)))


def _labels(change: Callable[[LiveWindow], pd.DataFrame]) -> Change:
    """A change of the labels."""
    return lambda window: replace(window, labels=change(window))


def _recycled(values: pd.Series) -> pd.Series:
    """The most frequent name is given to what had the second, and the other way round."""
    one, other = values.value_counts().index[:2]
    return values.map({one: other, other: one}).fillna(values)


def _renamed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(request_id="again-" + rows["request_id"])


def _again(window: LiveWindow) -> LiveWindow:
    """Rows of the time before in place of a third of those that should come."""
    count = round(THIRD * len(window.rows))
    old = window.before.tail(count)
    moved = old["time"] - old["time"].min() + window.start
    old = _renamed(old).assign(time=moved.where(moved < window.end, window.start))
    return replace(window, rows=pd.concat([window.rows.tail(len(window.rows) - count), old]))


def _gap(window: LiveWindow) -> LiveWindow:
    part = (window.end - window.start) / 7
    away = window.rows["time"].between(window.start + 2 * part, window.start + 3 * part + timedelta(seconds=1))
    return replace(window, rows=window.rows[~away])


def _of_others(window: LiveWindow) -> pd.DataFrame:
    return window.labels.assign(request_id="x" + window.labels["request_id"])


def _contradicted(labels: pd.DataFrame, some: _Some) -> pd.DataFrame:
    few = labels[some(labels, TENTH)]
    return pd.concat([few.assign(**{problem.TARGET: _other_target(few[problem.TARGET])}), labels])


def _other_target(values: pd.Series) -> Any:
    """Another outcome than the true one."""
    if problem.TASK == "regression":
        return values + values.std()
    names = sorted(values.unique())
    return values.map(dict(zip(names, [*names[1:], names[0]], strict=True)))


def _shuffled(labels: pd.DataFrame, some: _Some) -> pd.DataFrame:
    return labels.assign(**{problem.TARGET: some.random.permutation(labels[problem.TARGET])})
