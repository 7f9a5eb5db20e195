"""Rows of a table against the contract of the service: which are valid, and what the model gets of them.

A row is valid if the service would take it, and a broken one is told in the service's words. Numbers within the bounds
of `Row` are taken a column at a time, all other values each distinct one once, and what is not certain then is given to
the service's own contract as the JSON that a request would carry. So the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import create_model
from pydantic_core import to_json

from slipway.schema import columns
from slipway.serving.columnar import is_by_value
from slipway.serving.contract import Contract
from slipway.serving.json_numbers import LARGEST
from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from slipway.schema import Column
    from slipway.score.tables import Odd

EXACT = 2**53  # the largest whole number up to which float64 holds each; one beyond is looked at by itself
REMEMBERED = 100_000  # distinct values of a column whose verdict is kept from chunk to chunk
BOUNDS = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}
PLAIN = {"type", "strict", "allow_inf_nan", "metadata", *BOUNDS}
"""Keys of pydantic's schema of a number that its bounds describe wholly."""


@dataclass(frozen=True)
class Checked:
    """What `Checker.check` found: the values of all rows, for the model, and the rules that some break."""

    values: dict[str, np.ndarray]
    broken: dict[int, list[dict[str, Any]]]
    """By row: {"field", "rule"} of each broken rule, as the service would put it."""


class Checker:
    """Checks tables whose columns are named as those of a `Row`."""

    def __init__(self, row: type[BaseModel]) -> None:
        self._columns = columns(row)
        self._contract = Contract(row, 1)
        self._is_by_value = is_by_value(row)
        self._bounds = {name: found for name, schema in _schemas(row).items() if (found := _bounds(schema))}
        self._single = {name: Contract(_only(row, name), 1) for name in row.model_fields}
        self._known: dict[str, dict[Any, tuple[bool, Any]]] = {name: {} for name in row.model_fields}

    def check(self, table: pa.RecordBatch, odd: Odd) -> Checked:
        """Check every row of `table`, whose columns are those of `Row`; `odd` values are missing in it."""
        sure, values, broken = np.full(len(table), self._is_by_value), {}, {}
        for column in self._columns:
            values[column.name], valid = self._column(column, table.column(column.name))
            sure &= valid
            sure[list(odd.get(column.name, ()))] = False
        for at in np.flatnonzero(~sure).tolist():
            try:
                _, row = self._contract.parse(_json(table, at, odd))
            except RefusedError as refused:
                broken[at] = [{"field": one["field"], "rule": one["rule"]} for one in refused.details]
            else:
                for column in self._columns:
                    values[column.name][at] = _value(column, row[column.name][0])
        return Checked(values, broken)

    def _column(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Values for the model, and which of them are certainly valid."""
        if column.name in self._bounds and not pa.types.is_boolean(array.type):
            return self._within(column, array)
        return self._distinct(column, array)

    def _within(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Numbers, and which are within their bounds: told from the smallest and the largest where these are."""
        whole, bounds = self._bounds[column.name]
        numbers, integers = as_float(array), pa.types.is_integer(array.type)
        values = numbers.to_numpy(zero_copy_only=False)
        largest = EXACT if whole or integers else LARGEST
        extremes = np.array([one.as_py() for one in pc.min_max(numbers).values()], float)
        valid = np.full(len(values), True) if _hold(extremes, largest, bounds).all() else _hold(values, largest, bounds)
        if whole and not integers:
            valid &= np.isnan(values) | (values == np.floor(values))
        if not column.nullable:
            valid &= ~np.isnan(values)
        return values if values.flags.writeable else values.copy(), valid

    def _distinct(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        known = [self._verdict(column, _plain(value)) for value in [*coded.dictionary.to_pylist(), None]]
        places = coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
        kind = float if column.kind == "number" else object
        return np.array([value for _, value in known], kind)[places], np.array([valid for valid, _ in known])[places]

    def _verdict(self, column: Column, value: Any) -> tuple[bool, Any]:
        """Whether `value` is valid in its column, and what the model gets for it."""
        known = self._known[column.name]
        if len(known) > REMEMBERED:
            known.clear()
        key = (type(value), value)
        if key not in known:
            try:
                _, row = self._single[column.name].parse(to_json({column.name: value}, inf_nan_mode="constants"))
                known[key] = True, _value(column, row[column.name][0])
            except RefusedError:
                known[key] = False, _value(column, None)
        return known[key]


def as_float(array: pa.Array) -> pa.Array:
    """Numbers as float64. A decimal goes by way of its digits, as it would in JSON."""
    return pc.cast(array.cast(pa.string()) if pa.types.is_decimal(array.type) else array, pa.float64(), safe=False)


def _hold(values: np.ndarray, largest: float, bounds: list[tuple[np.ufunc, float]]) -> np.ndarray:
    """Whether each value is within all bounds; what is missing is."""
    held = np.abs(values) <= largest
    for compare, limit in bounds:
        held &= compare(values, limit)
    return held | np.isnan(values)


def _json(table: pa.RecordBatch, at: int, odd: Odd) -> bytes:
    """A row as a request would carry it."""
    names = table.schema.names
    record = {name: odd.get(name, {}).get(at, _plain(table.column(name)[at].as_py())) for name in names}
    return to_json(record, inf_nan_mode="constants")


def _plain(value: Any) -> Any:
    """As in JSON: NaN is a missing number, and a decimal is a number."""
    if value is None or isinstance(value, str | bool | int):
        return value
    value = float(value)
    return None if np.isnan(value) else value


def _value(column: Column, value: Any) -> Any:
    return np.nan if value is None and column.kind == "number" else value


def _only(row: type[BaseModel], name: str) -> type[BaseModel]:
    field = row.model_fields[name]
    return create_model("Only", __config__=row.model_config, **{name: (field.annotation, field)})


def _schemas(row: type[BaseModel]) -> dict[str, Any]:
    """pydantic's schema of each field; none where a model is not simply its fields."""
    schema = row.__pydantic_core_schema__
    fields = schema.get("schema", {}).get("fields", {}) if schema["type"] == "model" else {}
    return {name: field["schema"] for name, field in fields.items()}


def _bounds(schema: Mapping[str, Any]) -> tuple[bool, list[tuple[np.ufunc, float]]] | None:
    """Whether a column holds whole numbers, and its bounds; None where there is more to it than that."""
    while schema["type"] in {"nullable", "default"} or _is_finite_check(schema):
        schema = schema["schema"]
    if schema["type"] not in {"int", "float"} or not schema.keys() <= PLAIN:
        return None
    return schema["type"] == "int", [(compare, float(schema[key])) for key, compare in BOUNDS.items() if key in schema]


def _is_finite_check(schema: Mapping[str, Any]) -> bool:
    """pydantic's own, around a whole number with `allow_inf_nan=False`; what is not finite is refused in any case."""
    return schema["type"] == "function-after" and schema["function"]["function"].__name__ == "forbid_inf_nan_check"
