"""What is wrong with a parameter, in one line: its key, its value, what is allowed, and the key that was meant."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

UNKNOWN, MISSING = "extra_forbidden", "missing"
VALUE_LENGTH_MAX = 60  # characters of a value that is quoted
KEYS_MAX = 8  # keys that are listed where none is similar
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "no value",
}
PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "texts"}
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def explain(error: ValidationError, model: type[BaseModel], section: str = "") -> str:
    """Return the first problem of `error`, an unknown key before a missing one, as text after a file's name.

    `section` is the place of `model` in the file, for one that is not the whole file.
    """
    problems = sorted(error.errors(include_url=False), key=lambda one: one["type"] != UNKNOWN)
    first, kinds = problems[0], {one["type"] for one in problems}
    line = _line(first, model, (section,) if section else ())
    more = len(problems) - 1 - ({UNKNOWN, MISSING} <= kinds)  # a misspelt key is one problem, and pydantic has two
    return f"{line} (and {more} more)" if more > 0 else line


def _line(problem: ErrorDetails, model: type[BaseModel], section: Sequence[str]) -> str:
    place, key = problem["loc"], _place([*section, *problem["loc"]])
    if problem["type"] == UNKNOWN:
        return f"{key}: no such key; {_suggestion(place, model, section)}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    field = _schema_of(model, place)
    described = f" ({field['description']})" if "description" in field else ""
    if problem["type"] == MISSING:
        return f"{key}: missing; add {allowed(field)}{described}"
    return f"{key}: {shown(problem['input'])}; allowed: {allowed(field)}{described}"


def _suggestion(place: Sequence[str | int], model: type[BaseModel], section: Sequence[str]) -> str:
    """The key of the same section that was probably meant, or all of them."""
    known = list(_section_at(model, place[:-1]).model_fields)
    if similar := difflib.get_close_matches(str(place[-1]), known, 1):
        return f"did you mean {_place([*section, *place[:-1], similar[0]])}?"
    return f"there are {', '.join(known[:KEYS_MAX])}{', …' if len(known) > KEYS_MAX else ''}"


def _section_at(model: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    for name in place:
        annotation = model.model_fields[str(name)].annotation
        model = next(
            one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)
        )
    return model


def _schema_of(model: type[BaseModel], place: Sequence[str | int]) -> dict[str, Any]:
    """JSON schema of the field at `place`, as far as its keys are fields; below that, of the value's own type."""
    schema = model.model_json_schema()
    definitions, found = schema.get("$defs", {}), schema
    for name in place:
        found = _resolved(found, definitions)
        if isinstance(name, int):
            found = found.get("items", {})
        else:
            found = found.get("properties", {}).get(name) or found.get("additionalProperties")
            found = found if isinstance(found, dict) else {}
    return {**_resolved(found, definitions), **{key: found[key] for key in ("description",) if key in found}}


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema = schema if isinstance(schema, dict) else {}
    return definitions[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def allowed(schema: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows, as text."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(allowed(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if schema.get("type") == "array":
        items = schema.get("items", {})
        kind = PLURALS.get(items.get("type", ""), "values") if "enum" not in items else allowed(items)
        return " ".join(["a list of", kind, *_bounds(items)])
    if schema.get("type") == "object" or "properties" in schema:
        keys = list(schema.get("properties", {}))
        return (
            f"a section with {', '.join(keys[:KEYS_MAX])}{', …' if len(keys) > KEYS_MAX else ''}"
            if keys
            else "a mapping"
        )
    return " ".join([TYPES.get(schema.get("type", ""), schema.get("title", "a value")), *_bounds(schema)])


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    found = [words.format(f"{schema[name]:g}") for name, words in BOUNDS.items() if name in schema]
    return [" and ".join(found)] if found else []


def shown(value: Any) -> str:
    """Return `value` as it stands in YAML, with its type where that could be mistaken."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…"
    kinds = {str: "text", bool: "a flag", type(None): "no value", dict: "a mapping", list: "a list"}
    return f"{text} ({kinds[type(value)]})" if type(value) in kinds else text


def _place(place: Sequence[str | int]) -> str:
    return ".".join(map(str, place))
