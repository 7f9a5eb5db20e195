"""Rules for numbers, on which JSON, pydantic and models differ.

JSON and JSON Schema have one kind of number, so 2475.0 is an integer. Clients that store a column with missing values
as floats send it that way, but pydantic's strict `int` refuses it. A model takes float32, so that a larger number
becomes infinity. These rules make the service accept exactly what its documentation describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from slipway.schema.fields import fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel, ValidationError

FLOAT32_MAX = 3.4028234663852886e38
RULE = f"Input should be between -{FLOAT32_MAX} and {FLOAT32_MAX}"


class NumberRules:
    """Columns of a `Row` to which these rules apply."""

    def __init__(self, row: type[BaseModel]) -> None:
        numbers = [field for field in fields(row).values() if field.type in {"integer", "number"}]
        self._whole = {field.name for field in numbers if field.type == "integer"}
        self._unbounded = [field.name for field in numbers if not _fits(field.low, field.high, field.categories)]

    def with_integers(self, body: bytes | bytearray, error: ValidationError) -> bytes | None:
        """Return `body` with 2.0 replaced by 2 in integer columns, or None if `error` has another cause.

        `body` is valid JSON, and `error` is pydantic's error for its first invalid row.
        """
        if not any(self._is_whole_float(item["loc"], item["input"]) for item in error.errors(include_url=False)):
            return None
        content = from_json(body)
        for row in content if isinstance(content, list) else [content]:
            if isinstance(row, dict):
                row.update({name: int(row[name]) for name in self._whole & row.keys() if _is_integral(row[name])})
        return to_json(content, inf_nan_mode="constants")

    def too_large(self, columns: Mapping[str, Sequence[Any]]) -> tuple[int, str] | None:
        """Return row and column of a number that float32 cannot hold, or None.

        Columns with bounds in `Row` are skipped.
        """
        for name in self._unbounded:
            for row, value in enumerate(columns[name]):
                if value is not None and abs(value) > FLOAT32_MAX:
                    return row, name
        return None

    def _is_whole_float(self, location: tuple[Any, ...], value: Any) -> bool:
        return _is_integral(value) and not self._whole.isdisjoint(location)


def bound(schema: dict[str, Any]) -> None:
    """Add the bounds of float32 to the numbers in the JSON schema of a `Row`."""
    for field in schema["properties"].values():
        for option in _numeric(field, schema):
            if not _is_bounded(option):
                option["minimum"] = max(option.get("minimum", -FLOAT32_MAX), -FLOAT32_MAX)
                option["maximum"] = min(option.get("maximum", FLOAT32_MAX), FLOAT32_MAX)


def _numeric(field: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rsplit("/", 1)[-1]]
    for option in field.get("anyOf", ()):
        yield from _numeric(option, schema)
    if field.get("type") in {"integer", "number"}:
        yield field


def _is_bounded(option: dict[str, Any]) -> bool:
    low = option.get("minimum", option.get("exclusiveMinimum", -float("inf")))
    high = option.get("maximum", option.get("exclusiveMaximum", float("inf")))
    return _fits(low, high, option.get("enum", option.get("const")))


def _fits(low: float, high: float, categories: Any) -> bool:
    """Return whether float32 holds every value between the limits, or of a closed list."""
    return categories is not None or (low >= -FLOAT32_MAX and high <= FLOAT32_MAX)


def _is_integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
