"""The corpus of injected production faults, each with the check that has to detect it.

A fault is detected if the first failing check is one of its checks, and the column of the worst finding is one of its
columns. Columns are picked by kind and by their values in training, never by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

import problem
from slipway.lab.fault_columns import ColumnPicker
from slipway.monitoring.log_columns import KEY, PREDICTION, TIME
from slipway.monitoring.window import LiveWindow, ServiceCounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.monitoring.reference import Reference
    from slipway.settings import Settings

Injection = Callable[[LiveWindow], LiveWindow]
"""Returns a stable window with a fault in it."""
T = TypeVar("T")

OUTLIER_FRACTION = FEW_REPLICAS_FRACTION = 0.05
REMAINING_FRACTION = CONTRADICTED_FRACTION = 0.1
STALE_FRACTION = LABELED_FRACTION = 1 / 3
HALF_FRACTION = 0.5
FILTERED_FRACTION = 0.75


@dataclass(frozen=True)
class Fault:
    """A fault: what goes wrong, which checks and columns detect it, and how to inject it."""

    name: str
    why: str
    checks: tuple[str, ...]
    columns: tuple[str, ...]
    inject: Injection


def corpus(reference: Reference, settings: Settings) -> list[Fault]:
    """Return every fault for which the problem has columns."""
    pick = ColumnPicker(reference, settings.monitoring.window_days, settings.window_limits)
    sampler = _Sampler(settings.seed)
    whole = [*_of_traffic(sampler), *_of_answers(sampler), *_of_service()]
    return [
        *_of_columns(pick, sampler),
        *_of_rows(pick, sampler),
        *(Fault(name, why, (check,), (), inject) for check, name, why, inject in whole),
    ]


class _Sampler:
    """Random subsets from a single seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def __call__(self, rows: pd.DataFrame | pd.Series, fraction: float) -> np.ndarray:
        """Return a mask that selects about `fraction` of `rows`."""
        return self.random.random(len(rows)) < fraction


def _of_columns(pick: ColumnPicker, sampler: _Sampler) -> Iterator[Fault]:
    """Yield the faults in the values of one column."""
    either, skew = ("validity", "skew"), ("skew",)
    kinds: list[tuple[str, str, tuple[str, ...], list[str], Callable[[pd.Series], Any]]] = [
        ("scale", "Celsius for Fahrenheit", either, pick.optional[:2], lambda v: (v - 32) / 1.8),
        ("unit", "kilometers for miles", either, pick.steady[:2], lambda v: pick.within(v * 1.609)),
        ("stuck", "a sensor that hangs", skew, pick.numbers[:3], lambda v: v.where(v.isna(), v.mode().iloc[0])),
        ("feed gone", "a source that no longer responds", skew, pick.optional[:2], lambda v: v.mask(v.notna())),
        ("half gone", "one of two sources down", skew, pick.optional[:2], lambda v: v.mask(sampler(v, HALF_FRACTION))),
        ("missing as zero", "an unintended default", either, pick.often_missing[:2], lambda v: v.fillna(0)),
        ("missing as -999", "a code for missing", ("validity",), pick.often_missing[:2], lambda v: v.fillna(-999)),
        ("sign", "inverted upstream", either, pick.optional[:2], lambda v: -v),
        ("precision", "rounded upstream", skew, pick.uneven[:2], pick.rounded),
        (
            "outliers",
            "an intermittent contact",
            skew,
            pick.extensible[:2],
            lambda v: v.mask(sampler(v, OUTLIER_FRACTION), pick.high(str(v.name))),
        ),
        ("clock", "a time zone applied twice", skew, pick.clocks[:2], pick.later),
        ("mixed up", "a join on the wrong key", skew, pick.numbers[:2], lambda v: sampler.random.permutation(v)),
        ("recycled", "a code that was reassigned", skew, pick.categories[:1], _recycled),
        (
            "unknown code",
            "an extended list",
            either,
            pick.categories[-1:],
            lambda v: v.mask(sampler(v, HALF_FRACTION), "ZZZ"),
        ),
        ("single value", "a filter left on", skew, pick.categories[:2], lambda v: v.mode().iloc[0]),
    ]
    for name, why, checks, picked, change in kinds:
        for column in picked:
            yield Fault(f"{name}: {column}", why, checks, (column,), _column(pick, column, change))


def _of_rows(pick: ColumnPicker, sampler: _Sampler) -> Iterator[Fault]:
    """Yield the faults in the selection of rows, and in pairs of columns."""
    for pair in (pick.optional[:2], pick.clocks[:2]):
        if len(pair) > 1:
            first, second = pair
            name, checks = f"swapped: {first}, {second}", ("validity", "skew")
            yield Fault(name, "under each other's name", checks, (first, second), _swapped(pick, first, second))
    for column in problem.SEGMENTS[:1]:
        yield Fault(f"mix: {column}", "other clients than before", ("skew",), (column,), _filtered(column, sampler))
    for column in pick.steady[:1]:
        yield Fault(f"biased: {column}", "only one half is sampled", ("skew",), (column,), _upper_half(column))


def _of_traffic(sampler: _Sampler) -> Iterator[tuple[str, str, str, Injection]]:
    """Yield check, name, reason and injection of the faults in the traffic."""
    yield "traffic", "twice", "a client that retries", _rows(lambda rows: pd.concat([rows, _renamed(rows)]))
    yield "traffic", "yesterday again", "a stale feed", _repeated
    yield "traffic", "a day missing", "a feed that was down", _gap
    remaining = _rows(lambda rows: rows[sampler(rows, REMAINING_FRACTION)])
    yield "traffic", "10% of the volume", "a load balancer that dropped us", remaining
    yield "traffic", "no traffic", "no client sends requests", _rows(lambda rows: rows.head(0))


def _of_answers(sampler: _Sampler) -> Iterator[tuple[str, str, str, Injection]]:
    """Yield check, name, reason and injection of the faults in predictions and labels."""

    def other(rows: pd.DataFrame, fraction: float = 1.0) -> pd.DataFrame:
        mixed = pd.Series(sampler.random.permutation(rows[PREDICTION]), index=rows.index)
        return rows.assign(**{PREDICTION: rows[PREDICTION].where(~sampler(rows, fraction), mixed)})

    def constant(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(**{PREDICTION: [rows[PREDICTION].iloc[0]] * len(rows)})

    def occasionally(rows: pd.DataFrame) -> pd.DataFrame:
        return other(rows, FEW_REPLICAS_FRACTION)

    yield "model", "another model", "swapped silently", _rows(other)
    yield "model", "another model occasionally", "one of twenty replicas", _rows(occasionally)
    yield "model", "constant prediction", "a fallback that is always used", _rows(constant)
    yield "labels", "labels late", "a delayed export", _labels(lambda labels: labels[sampler(labels, LABELED_FRACTION)])
    yield "labels", "labels unmatched", "keys in another form", _labels(_unmatched)
    yield "labels", "labels contradict", "labels that change", _labels(lambda labels: _contradicted(labels, sampler))
    yield "performance", "labels shuffled", "labels of other rows", _labels(lambda labels: _shuffled(labels, sampler))


def _of_service() -> Iterator[tuple[str, str, str, Injection]]:
    """Yield check, name, reason and injection of the faults of the service."""
    yield "health", "errors", "one request in twenty fails", _service(lambda counts: replace(counts, errors=2_500))
    yield "health", "slow", "a noisy neighbor", _service(_slowed)
    yield (
        "health",
        "saturated",
        "more clients than were load tested",
        _service(lambda counts: replace(counts, peak_rate=400.0)),
    )
    yield "health", "refused", "a client that changed", _service(lambda counts: replace(counts, refused=10_000))
    yield (
        "health",
        "log too small",
        "rows that were not logged",
        _service(lambda counts: replace(counts, lost_rows=20_000)),
    )


def _rows(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Injection:
    """Return an injection that changes the logged rows."""
    return lambda window: replace(window, rows=change(window.rows))


def _inputs(pick: ColumnPicker, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Injection:
    """Return an injection that changes the inputs of the model, and so its predictions."""
    return _rows(lambda rows: pick.with_predictions(change(rows)))


def _labels(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Injection:
    """Return an injection that changes the labels."""
    return lambda window: replace(window, labels=change(_present(window.labels)))


def _service(change: Callable[[ServiceCounts], ServiceCounts]) -> Injection:
    """Return an injection that changes the counters of the service."""
    return lambda window: replace(window, service=change(_present(window.service)))


def _present(value: T | None) -> T:
    """Return `value`. Raises ValueError for None, which no stable window has."""
    if value is None:
        raise ValueError("faults are injected into windows with previous rows, labels and service counters")
    return value


def _column(pick: ColumnPicker, name: str, change: Callable[[pd.Series], Any]) -> Injection:
    return _inputs(pick, lambda rows: rows.assign(**{name: change(rows[name])}))


def _swapped(pick: ColumnPicker, first: str, second: str) -> Injection:
    return _inputs(pick, lambda rows: rows.assign(**{first: rows[second], second: rows[first]}))


def _filtered(column: str, sampler: _Sampler) -> Injection:
    """Return an injection that drops most rows without the most frequent value of `column`."""
    return _rows(lambda rows: rows[(rows[column] == rows[column].mode().iloc[0]) | ~sampler(rows, FILTERED_FRACTION)])


def _upper_half(column: str) -> Injection:
    return _rows(lambda rows: rows[rows[column] > rows[column].median()])


def _slowed(counts: ServiceCounts) -> ServiceCounts:
    return replace(counts, p50_milliseconds=40.0, p99_milliseconds=300.0)


def _recycled(values: pd.Series) -> pd.Series:
    """Return `values` with the two most frequent names exchanged."""
    first, second = values.value_counts().index[:2]
    return values.map({first: second, second: first}).fillna(values)


def _renamed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{KEY[0]: "again-" + rows[KEY[0]]})


def _repeated(window: LiveWindow) -> LiveWindow:
    """Replace a third of the rows by rows of the previous windows."""
    count = round(STALE_FRACTION * len(window.rows))
    old = _present(window.previous).tail(count)
    moved = old[TIME] - old[TIME].min() + window.start
    old = _renamed(old).assign(**{TIME: moved.where(moved < window.end, window.start)})
    return replace(window, rows=pd.concat([window.rows.tail(len(window.rows) - count), old]))


def _gap(window: LiveWindow) -> LiveWindow:
    """Drop the third seventh of the window: a day of a week."""
    part = (window.end - window.start) / 7
    gap = window.rows[TIME].between(window.start + 2 * part, window.start + 3 * part + timedelta(seconds=1))
    return replace(window, rows=window.rows[~gap])


def _unmatched(labels: pd.DataFrame) -> pd.DataFrame:
    return labels.assign(**{KEY[0]: "x" + labels[KEY[0]]})


def _contradicted(labels: pd.DataFrame, sampler: _Sampler) -> pd.DataFrame:
    few = labels[sampler(labels, CONTRADICTED_FRACTION)]
    return pd.concat([few.assign(**{problem.TARGET: _other_target(few[problem.TARGET])}), labels])


def _other_target(values: pd.Series) -> Any:
    """Return wrong labels for `values`."""
    if problem.TASK == "regression":
        return values + values.std()
    names = sorted(values.unique())
    return values.map(dict(zip(names, [*names[1:], names[0]], strict=True)))


def _shuffled(labels: pd.DataFrame, sampler: _Sampler) -> pd.DataFrame:
    return labels.assign(**{problem.TARGET: sampler.random.permutation(labels[problem.TARGET])})
