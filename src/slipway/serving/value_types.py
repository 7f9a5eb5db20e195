"""Types of msgspec for the values of a strict `Row`, so that the JSON parser validates most values.

A type accepts nothing that pydantic's strict mode rejects, and returns equal values. A field that has no such type is
left to pydantic, for example one with a pattern, because the regular expressions of Python and pydantic differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOWER, UPPER = {"ge", "gt"}, {"le", "lt"}
NUMBER_KEYS = {"type", "strict", "allow_inf_nan", "metadata", *LOWER, *UPPER}
PLAIN_KEYS = {"type", "strict", "metadata"}
BOUND_MAX = 2**53  # up to which a float is exact for every whole number


def of_schema(schema: Mapping[str, Any]) -> Any:
    """Return the type for a schema of pydantic-core; `Any` where pydantic has to validate the value."""
    make = _TYPES.get(schema["type"])
    return make(schema) if make else Any


def _inner(schema: Mapping[str, Any]) -> Any:
    return of_schema(schema["schema"])


def _optional(schema: Mapping[str, Any]) -> Any:
    inner = _inner(schema)
    return Any if inner is Any else inner | None


def _literal(schema: Mapping[str, Any]) -> Any:
    return Literal[tuple(schema["expected"])]


def _number(kind: type) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function from the schema of a number to its type, `Any` unless it is bounded on both sides."""
    bound_types = {int} if kind is int else {int, float}

    def make(schema: Mapping[str, Any]) -> Any:
        bounds = {name: schema[name] for name in LOWER | UPPER if name in schema}
        is_closed = len(bounds) == 2 and not LOWER.isdisjoint(bounds) and not UPPER.isdisjoint(bounds)
        is_exact = all(type(bound) in bound_types and abs(bound) <= BOUND_MAX for bound in bounds.values())
        return Annotated[kind, Meta(**bounds)] if is_closed and is_exact and schema.keys() <= NUMBER_KEYS else Any

    return make


def _plain(kind: type) -> Callable[[Mapping[str, Any]], Any]:
    return lambda schema: kind if schema.keys() <= PLAIN_KEYS else Any


_TYPES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "default": _inner,
    "nullable": _optional,
    "literal": _literal,
    "int": _number(int),
    "float": _number(float),
    "bool": _plain(bool),
    "str": _plain(str),
}
