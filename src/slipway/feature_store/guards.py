"""What a feature store must fulfill so that training rows and requests have equal features.

Feast itself accepts each of these faults, and then its offline and its online store differ without an error. A guard
raises DataError, whose message names the view or the file, the value and the fix.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slipway.errors import DataError
from slipway.schema.fields import NUMBER_TYPES, fields

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import BaseModel

    from slipway.schema.fields import FieldType

TIME = "event_timestamp"
"""Column of the rows to join: the moment of the request, as Feast names it."""


@dataclass(frozen=True)
class View:
    """A feature view: values by key, each with the time that it describes and the time of its arrival."""

    name: str
    files: str
    """Path or pattern of its Parquet files."""
    keys: tuple[str, ...]
    time: str
    arrival: str
    """Column with the time of arrival; empty without one."""
    ttl: timedelta
    features: Mapping[str, FieldType | None]
    """Type of each feature as a type of `Row`; None for another one."""


def check_views(views: Sequence[View], row: type[BaseModel]) -> None:
    """Check the definitions and the files of all views."""
    if not views:
        raise DataError("problem.feature_views: returns no FeatureView; define one, or remove the function")
    for view in views:
        _check_ttl(view)
        _check_features(view, row)
        _check_rows(view, _read(view))


def _check_ttl(view: View) -> None:
    if view.ttl:
        raise DataError(
            f"problem.feature_views: {view.name}: ttl is {view.ttl}: training rows would lose older values, which the"
            " online store still returns; set ttl=timedelta(0)"
        )


def _check_features(view: View, row: type[BaseModel]) -> None:
    allowed = fields(row)
    for name, type_ in view.features.items():
        if name not in allowed:
            raise DataError(f"problem.feature_views: {view.name}: Row has no column `{name}`; add it, or rename one")
        if not _includes(allowed[name].type, type_):
            raise DataError(
                f"problem.feature_views: {view.name}: the type of `{name}` is {type_ or 'not a type of Row'}, and"
                f" {allowed[name].type} in Row; use Float64, Int64, Int32, Bool or String"
            )


def _includes(allowed: FieldType, type_: FieldType | None) -> bool:
    numbers = NUMBER_TYPES[NUMBER_TYPES.index(allowed) :] if allowed in NUMBER_TYPES else ()
    return type_ == allowed or type_ in numbers


def _read(view: View) -> pa.Table:
    """Return the keys and times of all rows of a view."""
    files = sorted(map(str, Path(view.files).parent.glob(Path(view.files).name)))
    if not files:
        raise DataError(f"{relative(view.files)}: no such file, which {view.name} reads; run `slipway pull`")
    names = [*view.keys, view.time, *([view.arrival] if view.arrival else [])]
    for file in files:
        schema = pq.read_schema(file)
        for name in names:
            if name not in schema.names:
                raise DataError(f"{relative(file)}: has no column `{name}`, which {view.name} names; add it")
        for name in names[len(view.keys) :]:
            check_zone(relative(file), name, schema.field(name).type)
    return pa.concat_tables([pq.read_table(file, columns=names) for file in files], promote_options="permissive")


def check_zone(file: str, name: str, type_: pa.DataType) -> None:
    """Raise DataError unless a column has times with a time zone."""
    if not pa.types.is_timestamp(type_):
        raise DataError(f"{file}: `{name}` is {type_}, not a time; write it as a timestamp in UTC")
    if not type_.tz:
        raise DataError(f"{file}: `{name}` has no time zone, and Feast takes it for UTC; write it in UTC")


def _check_rows(view: View, rows: pa.Table) -> None:
    times = [view.time, *([view.arrival] if view.arrival else [])]
    for name in times:
        if missing := rows[name].null_count:
            raise DataError(
                f"{relative(view.files)}: `{name}` is missing in {missing:,} rows; fill it, or drop the rows"
            )
    counts = rows.group_by([*view.keys, *times]).aggregate([([], "count_all")])
    equal = counts.filter(pc.greater(counts["count_all"], 1))
    if len(equal):
        first = equal.slice(0, 1).to_pylist()[0]
        values = ", ".join(f"{name}={first[name]}" for name in [*view.keys, *times])
        fix = (
            f"give the correction a later `{view.arrival}`, or drop one"
            if view.arrival
            else "name a column with their arrival as created_timestamp_column, or drop one"
        )
        raise DataError(f"{relative(view.files)}: {first['count_all']} rows have {values}, and either could win; {fix}")


def check_request(file: Path, schema: pa.Schema, keys: Collection[str], features: Collection[str]) -> None:
    """Check the columns of rows to join."""
    for name in (*keys, TIME):
        if name not in schema.names:
            raise DataError(f"{file}: has no column `{name}`, which the join needs; add it")
    check_zone(str(file), TIME, schema.field(TIME).type)
    if both := [name for name in features if name in schema.names]:
        raise DataError(f"{file}: already has a column `{both[0]}`, which is a feature; drop it")


def relative(path: str) -> str:
    """Return a path relative to the current folder if it is inside."""
    short = os.path.relpath(path)
    return path if short.startswith(os.pardir) else short
