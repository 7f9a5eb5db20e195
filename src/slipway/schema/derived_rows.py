"""Derived rows: rows that `Row` allows and the test rows may lack, with missing values, unseen categories and limits.

Production may send all of them, and an exported model that is correct on every test row may be wrong on these.
"""

from __future__ import annotations

from functools import cache
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from slipway.schema import missing
from slipway.schema.columns import columns
from slipway.schema.fields import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from slipway.schema.columns import Column
    from slipway.schema.fields import RowField

UNSEEN_CATEGORY = "never seen in training"
UNBOUNDED = 2.0**31  # limit where `Row` has none: the integers of most clients end there
ROWS_PER_CHANGE = 200
ROWS_MAX = 50_000  # of all changes together, for tables with many columns


def derived_rows(
    take: Callable[[np.ndarray], pd.DataFrame], count: int, row: type[BaseModel]
) -> dict[str, pd.DataFrame]:
    """Return copies of rows, changed in each way that `row` allows, by the name of the change.

    take: returns the rows at some places, as `to_features` returns them, of `count` rows, at least one. Numbers take
    their limits, nullable columns are missing, closed lists take each of their values, and open lists take a value that
    is not in the training rows.
    """
    changes = dict(_changes(row))
    usual = max(1, min(ROWS_PER_CHANGE, count, ROWS_MAX // max(1, len(changes))))
    spread = cache(lambda rows: take(np.linspace(0, count - 1, rows).astype(int)).reset_index(drop=True))
    return {name: _changed(spread, change, usual) for name, change in changes.items()}


def _changed(spread: Callable[[int], pd.DataFrame], change: dict[str, list[Any]], count: int) -> pd.DataFrame:
    """Return `count` rows, or more if every value of `change` needs more rows to occur."""
    rows = spread(max(count, *map(len, change.values())))
    return rows.assign(**_values(change, rows))


def _changes(row: type[BaseModel]) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Yield the name of each change, and by column the values that the rows take in rotation."""
    described, all_fields = columns(row), fields(row)
    empty = {column.name: [missing.FEATURES[column.kind]] for column in described if column.nullable}
    if len(empty) > 1:
        yield "every nullable column missing", empty
    for column in described:
        if column.nullable:
            yield f"{column.name} missing", {column.name: empty[column.name]}
        yield from _allowed(column, all_fields[column.name])


def _allowed(column: Column, field: RowField) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    if column.kind == "number":
        values = [0, 1] if field.type == "boolean" else list(field.categories or _limits(field))
        yield f"{column.name} at its limits", {column.name: [np.float32(value) for value in values]}
    elif field.categories is not None:
        yield f"each {column.name}", {column.name: [*field.categories]}
    else:
        yield f"{column.name} unseen", {column.name: [UNSEEN_CATEGORY]}


def _limits(field: RowField) -> list[float]:
    low = -UNBOUNDED if field.minimum is None else field.minimum
    high = UNBOUNDED if field.maximum is None else field.maximum
    if field.exclusive_minimum is not None:
        low = _inside(field, field.exclusive_minimum, np.inf)
    if field.exclusive_maximum is not None:
        high = _inside(field, field.exclusive_maximum, -np.inf)
    return [low, high]


def _inside(field: RowField, limit: float, direction: float) -> float:
    """Return the first value inside an exclusive limit."""
    if field.type == "integer":
        return float(limit + np.sign(direction))
    return float(np.nextafter(np.float32(limit), np.float32(direction)))


def _values(change: dict[str, list[Any]], rows: pd.DataFrame) -> dict[str, pd.Series]:
    taken = {name: list(islice(cycle(values), len(rows))) for name, values in change.items()}
    return {name: pd.Series(values, rows.index, rows[name].dtype) for name, values in taken.items()}
