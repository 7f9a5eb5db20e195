"""Numbers where JSON, pydantic and a model mean different things by the word.

JSON has one kind of number, so 2475.0 is an integer, in JSON Schema too, and clients that keep a column with gaps as
floats send it so. pydantic's strict `int` refuses it. A model takes float32, and a number beyond that would reach it
as infinity. The rules here make the contract that is served the one that is described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel, ValidationError

LARGEST = 3.4028234663852886e38  # of float32
RULE = f"Input should be between -{LARGEST} and {LARGEST}"


class Numbers:
    """The columns of a `Row` that need these rules."""

    def __init__(self, row: type[BaseModel]) -> None:
        schema = row.model_json_schema()
        options = {name: list(_numeric(field, schema)) for name, field in schema["properties"].items()}
        self._whole = {name for name, found in options.items() if found and all(map(_is_whole, found))}
        self._unbounded = [name for name, found in options.items() if not all(map(_is_bounded, found))]

    def with_integers(self, body: bytes | bytearray, error: ValidationError) -> bytes | None:
        """`body` with 2.0 written as 2 where a column holds whole numbers; None where `error` is not about that.

        `body` is valid JSON in which pydantic found `error`, the first of its rows to break a rule.
        """
        if not any(self._is_whole_float(item["loc"], item["input"]) for item in error.errors(include_url=False)):
            return None
        content = from_json(body)
        for row in content if isinstance(content, list) else [content]:
            if isinstance(row, dict):
                row.update({name: int(row[name]) for name in self._whole & row.keys() if _is_integral(row[name])})
        return to_json(content, inf_nan_mode="constants")

    def too_large(self, columns: Mapping[str, Sequence[Any]]) -> tuple[int, str] | None:
        """Row and column of a number that float32 cannot hold; what the bounds in `Row` rule out costs nothing."""
        for name in self._unbounded:
            for row, value in enumerate(columns[name]):
                if value is not None and abs(value) > LARGEST:
                    return row, name
        return None

    def _is_whole_float(self, location: tuple[Any, ...], value: Any) -> bool:
        return _is_integral(value) and not self._whole.isdisjoint(location)


def bound(schema: dict[str, Any]) -> None:
    """Write into the JSON schema of a `Row` that its numbers fit in float32."""
    for field in schema["properties"].values():
        for option in _numeric(field, schema):
            if not _is_bounded(option):
                option["minimum"] = max(option.get("minimum", -LARGEST), -LARGEST)
                option["maximum"] = min(option.get("maximum", LARGEST), LARGEST)


def _numeric(field: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rsplit("/", 1)[-1]]
    for option in field.get("anyOf", ()):
        yield from _numeric(option, schema)
    if field.get("type") in {"integer", "number"}:
        yield field


def _is_whole(option: dict[str, Any]) -> bool:
    return option["type"] == "integer"


def _is_bounded(option: dict[str, Any]) -> bool:
    if "enum" in option or "const" in option:
        return True
    low = option.get("minimum", option.get("exclusiveMinimum", -float("inf")))
    high = option.get("maximum", option.get("exclusiveMaximum", float("inf")))
    return low >= -LARGEST and high <= LARGEST


def _is_integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
