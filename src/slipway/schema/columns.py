"""Input schema of a model, derived from the problem's `Row`: columns, their kinds, and whether they may be missing.

The estimator, the exported model and the service have the same two kinds. A number is a float32, and NaN where it is
missing. A category is a string, and empty where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel

NUMBER_TYPES = {"integer", "number", "boolean"}


@dataclass(frozen=True)
class Column:
    """A column of `Row` as input of a model."""

    name: str
    kind: Literal["number", "category"]
    nullable: bool


def columns(row: type[BaseModel]) -> list[Column]:
    """Return the columns of `row` in the order of their declaration.

    Raises TypeError for a field that is neither a number, a boolean nor a string, such as a list.
    """
    schema = row.model_json_schema()
    return [_column(name, field, schema.get("$defs", {})) for name, field in schema["properties"].items()]


def _column(name: str, field: dict[str, Any], definitions: dict[str, Any]) -> Column:
    types = _types(field, definitions)
    kinds = types - {"null"}
    if kinds and kinds <= NUMBER_TYPES:
        return Column(name, "number", "null" in types)
    if kinds == {"string"}:
        return Column(name, "category", "null" in types)
    raise TypeError(
        f"Row.{name}: {', '.join(sorted(kinds)) or 'no type'}; a column must be a number, a boolean or a string"
    )


def _types(field: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    if "$ref" in field:
        return _types(definitions[field["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in field:
        return set().union(*(_types(option, definitions) for option in field["anyOf"]))
    return {field["type"]} if "type" in field else set()
