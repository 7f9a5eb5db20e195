"""Messages for invalid parameters: one line with the key, its value, the allowed values, and the closest key."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, TypeGuard, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

UNKNOWN, MISSING = "extra_forbidden", "missing"
VALUE_LENGTH_MAX = 60  # characters of a quoted value
KEYS_MAX = 8  # keys that a message lists where none is similar
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "null": "null",
}
PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "strings"}
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def explain(error: ValidationError, model: type[BaseModel], section: str = "") -> str:
    """Return the first problem of `error` as the text after a file's name; an unknown key precedes a missing one.

    `section` is the path of `model` in the file; empty for the whole file.
    """
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != UNKNOWN)
    first, kinds = problems[0], {problem["type"] for problem in problems}
    line = _line(first, model, (section,) if section else ())
    more = len(problems) - 1 - ({UNKNOWN, MISSING} <= kinds)  # pydantic reports a misspelled key as both
    return f"{line} (and {more} more)" if more > 0 else line


def _line(problem: ErrorDetails, model: type[BaseModel], section: Sequence[str]) -> str:
    path, key = problem["loc"], _dotted([*section, *problem["loc"]])
    if problem["type"] == UNKNOWN:
        return f"{key}: no such key; {_suggestion(path, model, section)}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    field = _schema_of(model, path)
    description = f" ({field['description']})" if "description" in field else ""
    if problem["type"] == MISSING:
        return f"{key}: missing; add {allowed(field)}{description}"
    return f"{key}: {quoted(problem['input'])}; allowed: {allowed(field)}{description}"


def _suggestion(path: Sequence[str | int], model: type[BaseModel], section: Sequence[str]) -> str:
    """Return the most similar key of the same section, or a list of its keys."""
    keys = list(_section_at(model, path[:-1]).model_fields)
    if similar := difflib.get_close_matches(str(path[-1]), keys, 1):
        return f"did you mean {_dotted([*section, *path[:-1], similar[0]])}?"
    return f"its section has {', '.join(keys[:KEYS_MAX])}{', …' if len(keys) > KEYS_MAX else ''}"


def _section_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    names = iter(path)
    for name in names:
        annotation = model.model_fields[str(name)].annotation
        if not _is_section(annotation):  # a mapping of sections, whose keys are free
            next(names, None)
        model = next(option for option in _options(annotation) if _is_section(option))
    return model


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _options(annotation: Any) -> Iterator[Any]:
    """Yield `annotation` and the types that it is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from _options(inner)


def _schema_of(model: type[BaseModel], path: Sequence[str | int]) -> dict[str, Any]:
    """Return the JSON schema of the field at `path`; of an item or a free key, that of its value."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for name in path:
        parent = resolved(schema, definitions)
        if isinstance(name, int):
            schema = parent.get("items", {})
        else:
            child = parent.get("properties", {}).get(name) or parent.get("additionalProperties")
            schema = child if isinstance(child, dict) else {}
    return {**resolved(schema, definitions), **{key: schema[key] for key in ("description",) if key in schema}}


def resolved(schema: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the definition that `schema` refers to, or `schema` itself."""
    return definitions[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def allowed(schema: Mapping[str, Any]) -> str:
    """Return the values that a JSON schema allows, as text."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(allowed(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if schema.get("type") == "array":
        items = schema.get("items", {})
        kind = PLURALS.get(items.get("type", ""), "values") if "enum" not in items else allowed(items)
        return " ".join(["a list of", kind, *bounds(items)])
    if schema.get("type") == "object" or "properties" in schema:
        keys = list(schema.get("properties", {}))
        return (
            f"a section with {', '.join(keys[:KEYS_MAX])}{', …' if len(keys) > KEYS_MAX else ''}"
            if keys
            else "a mapping"
        )
    return " ".join([TYPES.get(schema.get("type", ""), schema.get("title", "a value")), *bounds(schema)])


def bounds(schema: Mapping[str, Any]) -> list[str]:
    """Return the limits of a number as one text, or no text where it has none."""
    limits = [pattern.format(f"{schema[name]:g}") for name, pattern in BOUNDS.items() if name in schema]
    return [" and ".join(limits)] if limits else []


def quoted(value: Any) -> str:
    """Return `value` in YAML syntax, with its type where that is ambiguous."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…"
    kinds = {str: "a string", bool: "a boolean", dict: "a mapping", list: "a list"}
    return f"{text} ({kinds[type(value)]})" if type(value) in kinds else text


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))
