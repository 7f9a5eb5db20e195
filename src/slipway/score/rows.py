"""Validation of the rows of a table by the contract of the service.

A row is valid if the service would accept it, and an invalid one is reported with the messages of the service. Numbers
within the bounds of `Row` are validated per column, and other values once per distinct value. Rows that remain
uncertain are converted to the JSON of a request and validated by the service's contract. Both therefore agree.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import create_model
from pydantic_core import to_json

from slipway.schema.columns import columns
from slipway.serving.columnar import is_by_value
from slipway.serving.contract import RowContract
from slipway.serving.json_numbers import FLOAT32_MAX
from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from slipway.schema.columns import Column
    from slipway.score.tables import InvalidNumbers

FLOAT64_EXACT_MAX = 2**53  # float64 represents every integer up to this one; larger ones are validated one by one
CACHED_VALUES_MAX = 100_000  # distinct values of a column whose result is cached across chunks
BOUNDS = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}
BOUND_KEYS = {"type", "strict", "allow_inf_nan", "metadata", *BOUNDS}
"""Keys of pydantic's schema of a number that has no rules but its bounds."""


@dataclass(frozen=True)
class CheckedRows:
    """Result of `RowChecker.check`: the values of all rows for the model, and the violations of invalid rows."""

    values: dict[str, np.ndarray]
    broken: dict[int, list[dict[str, Any]]]
    """By row: {"field", "rule"} of each violation, in the words of the service."""


class RowChecker:
    """Validates tables whose columns have the names of a `Row`."""

    def __init__(self, row: type[BaseModel]) -> None:
        self._columns = columns(row)
        self._contract, self._single = _contracts(row)
        self._is_by_value = is_by_value(row)
        self._bounds = {name: bounds for name, schema in _schemas(row).items() if (bounds := _bounds(schema))}
        self._results: dict[str, dict[Any, tuple[bool, Any]]] = {name: {} for name in row.model_fields}

    def check(self, table: pa.RecordBatch, invalid: InvalidNumbers) -> CheckedRows:
        """Validate every row of `table`, whose columns are those of `Row`; values in `invalid` are null in it."""
        certain = np.full(len(table), self._is_by_value)
        values: dict[str, np.ndarray] = {}
        broken: dict[int, list[dict[str, Any]]] = {}
        for column in self._columns:
            values[column.name], valid = self._column(column, table.column(column.name))
            certain &= valid
            certain[list(invalid.get(column.name, ()))] = False
        for index in np.flatnonzero(~certain).tolist():
            try:
                _, row = self._contract.parse(_json(table, index, invalid))
            except RefusedError as refused:
                broken[index] = [{"field": detail["field"], "rule": detail["rule"]} for detail in refused.details]
            else:
                for column in self._columns:
                    values[column.name][index] = _value(column, row[column.name][0])
        return CheckedRows(values, broken)

    def _column(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Return the values for the model, and a mask of those that are certainly valid."""
        if column.name in self._bounds and not pa.types.is_boolean(array.type):
            return self._within(column, array)
        return self._distinct(column, array)

    def _within(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers and a mask of those within their bounds. If minimum and maximum are, all of them are."""
        whole, bounds = self._bounds[column.name]
        numbers, integers = as_float(array), pa.types.is_integer(array.type)
        values = numbers.to_numpy(zero_copy_only=False)
        largest = FLOAT64_EXACT_MAX if whole or integers else FLOAT32_MAX
        extremes = np.array([scalar.as_py() for scalar in pc.min_max(numbers).values()], float)
        valid = (
            np.full(len(values), True)
            if _within_bounds(extremes, largest, bounds).all()
            else _within_bounds(values, largest, bounds)
        )
        if whole and not integers:
            valid &= np.isnan(values) | (values == np.floor(values))
        if not column.nullable:
            valid &= ~np.isnan(values)
        return values if values.flags.writeable else values.copy(), valid

    def _distinct(self, column: Column, array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Return values and a mask of the valid ones, after validating each distinct value once."""
        coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        results = [self._result(column, _plain(value)) for value in [*coded.dictionary.to_pylist(), None]]
        codes = coded.indices.fill_null(len(results) - 1).to_numpy(zero_copy_only=False)
        kind = float if column.kind == "number" else object
        values, valid = np.array([value for _, value in results], kind), np.array([valid for valid, _ in results])
        return values[codes], valid[codes]

    def _result(self, column: Column, value: Any) -> tuple[bool, Any]:
        """Return whether `value` is valid in its column, and the value for the model."""
        results = self._results[column.name]
        if len(results) > CACHED_VALUES_MAX:
            results.clear()
        key = (type(value), value)
        if key not in results:
            try:
                _, row = self._single[column.name].parse(to_json({column.name: value}, inf_nan_mode="constants"))
                results[key] = True, _value(column, row[column.name][0])
            except RefusedError:
                results[key] = False, _value(column, None)
        return results[key]


def as_float(array: pa.Array) -> pa.Array:
    """Return numbers as float64. A decimal is parsed from its digits, as in JSON."""
    return pc.cast(array.cast(pa.string()) if pa.types.is_decimal(array.type) else array, pa.float64(), safe=False)


def _within_bounds(values: np.ndarray, largest: float, bounds: list[tuple[np.ufunc, float]]) -> np.ndarray:
    """Return a mask of the values within all bounds, or missing."""
    valid: np.ndarray = np.abs(values) <= largest
    for compare, limit in bounds:
        valid &= compare(values, limit)
    valid |= np.isnan(values)
    return valid


def _json(table: pa.RecordBatch, index: int, invalid: InvalidNumbers) -> bytes:
    """Return a row as the body of a request."""
    names = table.schema.names
    record = {name: invalid.get(name, {}).get(index, _plain(table.column(name)[index].as_py())) for name in names}
    return to_json(record, inf_nan_mode="constants")


def _plain(value: Any) -> Any:
    """Return a value as in JSON: NaN becomes null, and a decimal becomes a number."""
    if value is None or isinstance(value, str | bool | int):
        return value
    value = float(value)
    return None if np.isnan(value) else value


def _value(column: Column, value: Any) -> Any:
    return np.nan if value is None and column.kind == "number" else value


@functools.cache
def _contracts(row: type[BaseModel]) -> tuple[RowContract, dict[str, RowContract]]:
    """Return the contract of `row`, and of each of its columns.

    They are built once in a process: of a folder of small files, they would take more time than the rows.
    """
    return RowContract(row, 1), {name: RowContract(_only(row, name), 1) for name in row.model_fields}


def _only(row: type[BaseModel], name: str) -> type[BaseModel]:
    field = row.model_fields[name]
    definition: dict[str, Any] = {name: (field.annotation, field)}
    model: type[BaseModel] = create_model("Only", __config__=row.model_config, **definition)
    return model


def _schemas(row: type[BaseModel]) -> dict[str, Any]:
    """Return pydantic's schema of each field, or {} for a model with custom validators."""
    schema = row.__pydantic_core_schema__
    fields = schema.get("schema", {}).get("fields", {}) if schema["type"] == "model" else {}
    return {name: field["schema"] for name, field in fields.items()}


def _bounds(schema: Mapping[str, Any]) -> tuple[bool, list[tuple[np.ufunc, float]]] | None:
    """Return whether a column has integers, and its bounds; None if it has further rules."""
    while schema["type"] in {"nullable", "default"} or _is_finite_check(schema):
        schema = schema["schema"]
    if schema["type"] not in {"int", "float"} or not schema.keys() <= BOUND_KEYS:
        return None
    return schema["type"] == "int", [(compare, float(schema[key])) for key, compare in BOUNDS.items() if key in schema]


def _is_finite_check(schema: Mapping[str, Any]) -> bool:
    """Return whether this is pydantic's check of an integer with `allow_inf_nan=False`, which refuses nothing more."""
    return bool(
        schema["type"] == "function-after" and schema["function"]["function"].__name__ == "forbid_inf_nan_check"
    )
