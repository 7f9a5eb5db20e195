"""What `Row` says of each column, in one flat dictionary: limits, unit, pattern, closed list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def fields(row: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each column, with that of its option besides null, or of its enumeration, merged in."""
    schema = row.model_json_schema()
    return {name: _flat(field, schema.get("$defs", {})) for name, field in schema["properties"].items()}


def _flat(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in field.get("anyOf", []):
        if option.get("type") != "null":
            field = {**_flat(option, definitions), **field}
    if "$ref" in field:
        field = {**definitions[field["$ref"].rsplit("/", 1)[-1]], **field}
    return field


def is_closed(field: dict[str, Any]) -> bool:
    """Whether the column is a closed list, so that an unknown value never reaches the model."""
    return "enum" in field or "const" in field
