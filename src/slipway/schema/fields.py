"""Properties of the columns of `Row`: limits, unit, pattern and closed list, flattened from its JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def fields(row: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each column, merged with that of its non-null option or its enumeration."""
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
    """Return whether the column is a closed list, so that an unknown value never reaches the model."""
    return "enum" in field or "const" in field
