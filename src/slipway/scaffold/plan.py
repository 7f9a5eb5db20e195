"""What is to be written, inferred from the table: the files are rendered from it, and the person is shown it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from slipway.csv_file import FLAG, NUMBER, TEXT, Dialect
from slipway.errors import UserError
from slipway.scaffold import alone, columns, distances, names, source, target, times
from slipway.scaffold.source import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from slipway.scaffold.columns import Feature, LeftOut
    from slipway.scaffold.target import Target
    from slipway.scaffold.times import Time

SEGMENTS = 2  # columns whose values are compared, unless they are named
SEGMENT_VALUES = 10  # of a column that is taken for a segment unasked


@dataclass(frozen=True)
class Request:
    """What the person says of the table, by the names of its columns."""

    target: str
    time: str = ""
    task: str = ""
    segments: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Plan:
    """What a fork is made of."""

    file: str
    rows: int
    target: Target
    time: Time | None
    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    segments: tuple[str, ...]
    dialect: Dialect = field(default_factory=Dialect)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What each column of a CSV file holds, by its name in the table."""

    @property
    def categories(self) -> list[str]:
        """Names of the features that are text."""
        return [feature.name for feature in self.features if feature.is_category]

    @property
    def taken(self) -> dict[str, str]:
        """Columns of the table that are taken over, and their names: features, target, time."""
        others = [self.target, self.time] if self.time else [self.target]
        made = {f"{self.time.name}_{part}" for part in self.time.parts} if self.time else set()
        return {each.source: each.name for each in [*self.features, *others] if each.name not in made}


def infer(path: Path, request: Request, seed: int) -> tuple[Plan, pd.DataFrame]:
    """The plan for the table at `path`, and its rows in the order in which the fork keeps them.

    Raises UserError when no model can be made of it.
    """
    frame = source.read(path, request.reading)
    kinds = {column: _kind(frame[column]) for column in frame}
    wanted = [request.target, *([request.time] if request.time else []), *request.segments]
    source.require(frame, path, wanted)
    named = names.unique(frame)
    aim = target.examine(frame[request.target], named[request.target], request.task)
    time, frame = _ordered(frame, request.time, named, seed)
    others = {column: name for column, name in named.items() if column not in {request.target, request.time}}
    features, left_out = columns.examine_all(frame, others)
    features, left_out = _without_leaks(frame, aim, features, left_out, seed)
    if time:
        features, left_out = _without_clocks(frame, features, left_out)
    features += _calendar(time)
    if not features:
        raise UserError(
            f"{path}: no column is left to learn from; {'; '.join(f'{x.source}: {x.why}' for x in left_out)}"
        )
    plan = Plan(path.name, len(frame), aim, time, tuple(features), tuple(left_out), (), request.reading.dialect, kinds)
    return replace(plan, segments=_segments(features, request.segments)), frame


def _kind(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values):
        return FLAG
    return NUMBER if pd.api.types.is_numeric_dtype(values) else TEXT


def _ordered(frame: pd.DataFrame, column: str, named: dict[str, str], seed: int) -> tuple[Time | None, pd.DataFrame]:
    """The time column, and the rows in its order; without one, shuffled, as tables are often sorted by the target."""
    if not column:
        return None, frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    time, moments = times.examine(frame[column], named[column])
    order = moments.sort_values(kind="stable").index
    return time, frame.loc[order].reset_index(drop=True)


def _without_leaks(
    frame: pd.DataFrame, aim: Target, features: list[Feature], left_out: list[LeftOut], seed: int
) -> tuple[list[Feature], list[LeftOut]]:
    power = alone.powers(frame, [feature.source for feature in features], aim.source, aim.task, seed)
    leaks = {name: value for name, value in power.items() if value >= alone.LEAK}
    why = "it predicts the target nearly alone ({:.0%} of what can be known): is it known before the outcome?"
    return (
        [feature for feature in features if feature.source not in leaks],
        [*left_out, *(columns.LeftOut(name, why.format(value)) for name, value in leaks.items())],
    )


def _without_clocks(
    frame: pd.DataFrame, features: list[Feature], left_out: list[LeftOut]
) -> tuple[list[Feature], list[LeftOut]]:
    """Leave out numbers that only say when: what a model learned of their values is of no use for the next ones."""
    first = round(len(frame) * (1 - distances.LAST_PART))
    numbers = {feature.source for feature in features if feature.kind in {"int", "float"}}
    sides = {name: (frame[name].iloc[first:], frame[name].iloc[:first]) for name in numbers}
    clocks = {name for name, (new, old) in sides.items() if distances.kolmogorov(new, old) >= distances.ANOTHER}
    why = "its later values have next to nothing in common with the earlier: it only says when"
    return (
        [feature for feature in features if feature.source not in clocks],
        [*left_out, *(columns.LeftOut(name, why) for name in sorted(clocks))],
    )


def _calendar(time: Time | None) -> list[Feature]:
    """Features of the time column, which is none itself."""
    if time is None:
        return []
    limits = {"weekday": (1, 7), "hour": (0, 23)}
    whole = {"kind": "int", "nullable": False}
    return [
        columns.Feature(
            f"{time.name}_{part}", f"{time.source}: {part}, UTC", **whole, seen="made of it", low=low, high=high
        )
        for part, (low, high) in limits.items()
        if part in time.parts
    ]


def _segments(features: Sequence[Feature], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns by whose values quality is compared: those asked for, else the first closed lists."""
    by_source = {feature.source: feature for feature in features}
    for column in asked:
        if column not in by_source:
            raise UserError(f"{column}: cannot be a segment, because it is left out")
        if by_source[column].kind not in {"closed", "open", "bool"}:
            raise UserError(f"{column}: cannot be a segment, because it is a number; a segment is a list of values")
    if asked:
        return tuple(by_source[column].name for column in asked)
    small = [each.name for each in features if each.kind == "closed" and len(each.values) <= SEGMENT_VALUES]
    return tuple(small[:SEGMENTS])


TYPES = {"int": "whole number", "float": "number", "bool": "flag", "closed": "closed list", "open": "open list"}


def shown(plan: Plan) -> str:
    """The plan as a table for the person who asked for it."""
    rows = [("column", "name", "type", "missing", "seen", "allowed")]
    rows += [(plan.target.source, plan.target.name, f"target, {plan.target.task}", "", plan.target.described, "")]
    if plan.time:
        rows += [(plan.time.source, plan.time.name, "time", "", "orders the rows", "")]
    rows += [_feature_row(feature) for feature in plan.features]
    rows += [(each.source, "-", "left out", "", each.why, "") for each in plan.left_out]
    cut = [tuple(_cut(cell, 60) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in cut) for place in range(5)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in cut)


def _feature_row(feature: Feature) -> tuple[str, ...]:
    allowed = {
        "int": f"{feature.low} to {feature.high} {feature.unit}",
        "float": f"{feature.low} to {feature.high} {feature.unit}",
        "bool": "",
        "closed": ", ".join(feature.values),
        "open": feature.pattern or f"up to {feature.longest} characters",
    }[feature.kind]
    missing = "may be" if feature.nullable else "never"
    return feature.source, feature.name, TYPES[feature.kind], missing, feature.seen, allowed.strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
