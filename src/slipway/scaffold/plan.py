"""Plan of a fork, inferred from the table: the templates render it, and the user reviews it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from slipway.errors import ArgumentError, DataError
from slipway.scaffold import alone, columns, distances, names, source, target, times
from slipway.scaffold.source import ReadOptions
from slipway.schema.csv_file import FLAG, NUMBER, TEXT, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from slipway.scaffold.columns import Excluded, Feature
    from slipway.scaffold.target import Target
    from slipway.scaffold.times import Time

WIDE_COLUMNS_MIN = 100
SEGMENT_COLUMNS_MAX = 2  # inferred segment columns
SEGMENT_VALUES_MAX = 10  # values of an inferred segment column
CELL_LENGTH_MAX = 60  # characters of a cell of the printed table


@dataclass(frozen=True)
class ForkRequest:
    """The user's options of `slipway new`, with the column names of the table."""

    target: str
    time: str = ""
    task: str = ""
    segments: tuple[str, ...] = ()
    options: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        """Raise UserError for an option that no table can satisfy, before a file is read."""
        if self.task and self.task not in target.TASKS:
            raise ArgumentError(f"--task {self.task!r}: must be one of {', '.join(target.TASKS)}")
        if not self.target:
            raise ArgumentError("--target '': must be the name of a column")
        if self.target == self.time:
            raise ArgumentError(f"--time {self.time!r}: is the target; choose another column")
        for column in self.segments:
            if column in {self.target, self.time}:
                raise ArgumentError(f"--segments {column!r}: is the target or the time; choose another column")


@dataclass(frozen=True)
class Plan:
    """Content of a fork: target, time, features, excluded columns, segments and format of the files."""

    file: str
    rows: int
    target: Target
    time: Time | None
    features: tuple[Feature, ...]
    excluded: tuple[Excluded, ...]
    segments: tuple[str, ...]
    dialect: Dialect = field(default_factory=Dialect)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kind of each column of a CSV file, by its name in the table."""
    omitted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Columns that break a condition of the data suite, each with the reason, by check."""
    power: float = 0.0
    """Largest predictive power score of a column of the table alone, without excluded ones."""

    @property
    def is_wide(self) -> bool:
        """Whether steps whose time grows with the columns must use fewer rows."""
        return len(self.features) > WIDE_COLUMNS_MIN

    @property
    def categories(self) -> list[str]:
        """Names of the features that are strings."""
        return [feature.name for feature in self.features if feature.is_category]

    @property
    def imported(self) -> dict[str, str]:
        """Columns of the table that the fork imports, with their new names: features, target, time."""
        others = [self.target, self.time] if self.time else [self.target]
        derived = {f"{self.time.name}_{part}" for part in self.time.parts} if self.time else set()
        return {column.source: column.name for column in [*self.features, *others] if column.name not in derived}


def infer(
    path: Path, request: ForkRequest, seed: int, admit: Callable[[pd.DataFrame], None] = lambda _: None
) -> tuple[Plan, pd.DataFrame]:
    """Return the plan for the table at `path`, and its rows in the order of the fork.

    admit: raises UserError for rows that are too large; called before the inference with columns that it does not
    exclude, and before the slow steps with all columns to import.
    Raises UserError when a model cannot learn from the table.
    """
    frame = source.read(path, request.options)
    kinds = {str(column): _kind(frame[column]) for column in frame}
    requested = [request.target, *([request.time] if request.time else []), *request.segments]
    source.require(frame, path, requested)
    named = names.unique(map(str, frame), _derived(request.time))
    aim = target.examine(frame[request.target], named[request.target], request.task)
    admit(frame[columns.certain(frame)])
    time, frame = _ordered(frame, request.time, named, seed)
    others = {column: name for column, name in named.items() if column not in {request.target, request.time}}
    features, excluded = columns.examine_all(frame, others)
    admit(frame[[*(feature.source for feature in features), request.target, *([request.time] if time else [])]])
    features, excluded, power = _without_leaks(frame, aim, features, excluded, seed)
    if time:
        features, excluded = _without_clocks(frame, features, excluded)
    features += _calendar(time)
    if not features:
        raise DataError(
            f"{path}: no column is left to learn from; "
            + ("; ".join(f"{column.source}: {column.reason}" for column in excluded) or "add one besides the target")
        )
    plan = Plan(path.name, len(frame), aim, time, tuple(features), tuple(excluded), (), request.options.dialect, kinds)
    return replace(plan, power=power, segments=_segments(features, request.segments)), frame


def _derived(time: str) -> set[str]:
    """Return the names of the features that derive from the time column."""
    return {f"{name}_{part}" for name in names.unique([time] if time else []).values() for part in times.PARTS}


def _kind(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values):
        return FLAG
    return NUMBER if pd.api.types.is_numeric_dtype(values) else TEXT


def _ordered(frame: pd.DataFrame, column: str, named: dict[str, str], seed: int) -> tuple[Time | None, pd.DataFrame]:
    """Return the time column and the rows in its order, or shuffled rows, as tables are often sorted by the target."""
    if not column:
        return None, frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    time, moments = times.examine(frame[column], named[column])
    times.require_older(moments, column)
    order = moments.sort_values(kind="stable").index
    return time, frame.loc[order].reset_index(drop=True)


def _without_leaks(
    frame: pd.DataFrame, aim: Target, features: list[Feature], excluded: list[Excluded], seed: int
) -> tuple[list[Feature], list[Excluded], float]:
    """Return what is left, and the largest power of a column that is left."""
    power = alone.powers(frame, [feature.source for feature in features], aim.source, aim.task, seed)
    leaks = {name: value for name, value in power.items() if value >= alone.LEAK_POWER_MIN}
    reason = "it predicts the target nearly alone (power {:.0%}): is it known before the outcome?"
    return (
        [feature for feature in features if feature.source not in leaks],
        [*excluded, *(columns.Excluded(name, reason.format(value)) for name, value in leaks.items())],
        max((value for name, value in power.items() if name not in leaks), default=0.0),
    )


def _without_clocks(
    frame: pd.DataFrame, features: list[Feature], excluded: list[Excluded]
) -> tuple[list[Feature], list[Excluded]]:
    """Exclude numbers that only encode the time: a model cannot use their past values for later ones."""
    first = round(len(frame) * (1 - distances.NEW_RATIO))
    numbers = {feature.source for feature in features if feature.kind in {"int", "float"}}
    sides = {name: (frame[name].iloc[first:], frame[name].iloc[:first]) for name in numbers}
    clocks = {
        name for name, (new, old) in sides.items() if distances.kolmogorov(new, old) >= distances.DISJOINT_DISTANCE_MIN
    }
    reason = "its later values have almost nothing in common with the earlier ones: it only encodes the time"
    return (
        [feature for feature in features if feature.source not in clocks],
        [*excluded, *(columns.Excluded(name, reason) for name in sorted(clocks))],
    )


def _calendar(time: Time | None) -> list[Feature]:
    """Return the features of the time column, which is not a feature itself."""
    if time is None:
        return []
    limits = {"weekday": (1, 7), "hour": (0, 23)}
    return [
        columns.Feature(
            f"{time.name}_{part}", f"{time.source}: {part}, UTC", "int", False, "derived from it", low=low, high=high
        )
        for part, (low, high) in limits.items()
        if part in time.parts
    ]


def _segments(features: Sequence[Feature], requested: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the segment columns: the requested ones, else the first closed lists."""
    by_source = {feature.source: feature for feature in features}
    for column in requested:
        if column not in by_source:
            raise ArgumentError(f"{column}: cannot be a segment, because it is excluded")
        if by_source[column].kind not in {"closed", "open", "bool"}:
            raise ArgumentError(
                f"{column}: cannot be a segment, because it is a number; choose a column with a list of values"
            )
    if requested:
        return tuple(by_source[column].name for column in requested)
    lists = [feature for feature in features if feature.kind == "closed" and len(feature.values) <= SEGMENT_VALUES_MAX]
    return tuple(feature.name for feature in lists[:SEGMENT_COLUMNS_MAX])


TYPES = {"int": "integer", "float": "number", "bool": "flag", "closed": "closed list", "open": "open list"}


def summary(plan: Plan) -> str:
    """Return the plan as a text table for the user."""
    rows: list[tuple[str, ...]] = [("column", "name", "type", "missing", "observed", "allowed")]
    rows += [(plan.target.source, plan.target.name, f"target, {plan.target.task}", "", plan.target.description, "")]
    if plan.time:
        rows += [(plan.time.source, plan.time.name, "time", "", "orders the rows", "")]
    rows += [_feature_row(feature) for feature in plan.features]
    rows += [(column.source, "-", "excluded", "", column.reason, "") for column in plan.excluded]
    rows += [
        (name, "-", f"not in {check}", "", reason, "")
        for check, columns in plan.omitted.items()
        for name, reason in columns.items()
    ]
    cells = [tuple(_truncated(cell, CELL_LENGTH_MAX) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(5)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in cells)


def _feature_row(feature: Feature) -> tuple[str, ...]:
    allowed = {
        "int": f"{feature.low} to {feature.high} {feature.unit}",
        "float": f"{feature.low} to {feature.high} {feature.unit}",
        "bool": "",
        "closed": ", ".join(feature.values),
        "open": feature.pattern or f"up to {feature.length_max} characters",
    }[feature.kind]
    missing = "possible" if feature.nullable else "never"
    return feature.source, feature.name, TYPES[feature.kind], missing, feature.observed, allowed.strip()


def _truncated(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"
