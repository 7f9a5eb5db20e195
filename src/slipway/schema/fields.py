"""Fields of `Row`: type, limits, unit and closed list of each, from its JSON schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

FieldType = Literal["integer", "number", "boolean", "string"]
NUMBER_TYPES: tuple[FieldType, ...] = ("number", "integer", "boolean")
"""Each includes the values of those after it."""


@dataclass(frozen=True)
class RowField:
    """A field of `Row`. Of a union, it has the widest type and limits; `optional` means that None is allowed."""

    name: str
    type: FieldType
    optional: bool
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    exclusive_minimum: float | None
    exclusive_maximum: float | None
    categories: tuple[Any, ...] | None
    """All allowed values, in the order of their declaration; None for an open list."""
    redact: bool
    """Whether the prediction log omits the values."""

    @property
    def low(self) -> float:
        """Lower limit, inclusive or exclusive; -inf for none."""
        limits = (self.minimum, self.exclusive_minimum)
        return max((limit for limit in limits if limit is not None), default=-float("inf"))

    @property
    def high(self) -> float:
        """Upper limit, inclusive or exclusive; inf for none."""
        limits = (self.maximum, self.exclusive_maximum)
        return min((limit for limit in limits if limit is not None), default=float("inf"))


def fields(row: type[BaseModel]) -> dict[str, RowField]:
    """Return the fields of `row` by name, in the order of their declaration.

    Raises TypeError for a field that is neither a number, a boolean nor a string, such as a list.
    """
    return dict(_fields(row))


@cache
def _fields(row: type[BaseModel]) -> dict[str, RowField]:
    """Return the fields of `row`, derived once: a schema of hundreds of columns takes milliseconds."""
    schema = row.model_json_schema()
    return fields_of(schema, schema.get("$defs", {}))


def fields_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, RowField]:
    """Return the fields in the JSON schema of a `Row`, whose references are to `definitions`. Raises as `fields`."""
    return {name: _field(name, field, definitions) for name, field in schema["properties"].items()}


def _field(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> RowField:
    alternatives = list(options(schema, definitions))
    values = [option for option in alternatives if option.get("type") != "null"]
    return RowField(
        name=name,
        type=_type(name, values),
        optional=len(values) < len(alternatives),
        description=_stated("description", schema),
        unit=_stated("unit", schema),
        minimum=_limit("minimum", values, min),
        maximum=_limit("maximum", values, max),
        exclusive_minimum=_limit("exclusiveMinimum", values, min),
        exclusive_maximum=_limit("exclusiveMaximum", values, max),
        categories=_categories(values),
        redact=any(option.get("redact", False) for option in alternatives),
    )


def options(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema of each alternative of a union, with the keys of the union itself."""
    outer = {key: value for key, value in schema.items() if key not in {"anyOf", "$ref"}}
    if "$ref" in schema:
        inner = [definitions[schema["$ref"].rsplit("/", 1)[-1]]]
    elif "anyOf" in schema:
        inner = schema["anyOf"]
    else:
        yield outer
        return
    for option in inner:
        yield from ({**outer, **resolved} for resolved in options(option, definitions))


def _type(name: str, options: Sequence[Mapping[str, Any]]) -> FieldType:
    types = {option.get("type", "") for option in options} - {""}
    if types == {"string"}:
        return "string"
    if types and types <= {*NUMBER_TYPES}:
        return next(kind for kind in NUMBER_TYPES if kind in types)
    actual = ", ".join(sorted(types)) or "no type"
    raise TypeError(f"Row.{name}: {actual}; a column must be a number, a boolean or a string")


def _limit(key: str, options: Sequence[Mapping[str, Any]], widest: Any) -> float | None:
    """Return the widest limit of a union; None if an alternative has none."""
    limits = [option.get(key) for option in options]
    return None if None in limits else cast("float", widest(limits))


def _categories(options: Sequence[Mapping[str, Any]]) -> tuple[Any, ...] | None:
    lists = [option.get("enum", [option["const"]] if "const" in option else None) for option in options]
    if any(values is None for values in lists):
        return None
    return tuple(dict.fromkeys(value for values in lists for value in values))


def _stated(key: str, schema: Mapping[str, Any]) -> str:
    """Return the description or unit of a field, after those of its alternatives."""
    stated = [str(option[key]) for option in (*schema.get("anyOf", []), schema) if key in option]
    return ". ".join(dict.fromkeys(stated))
