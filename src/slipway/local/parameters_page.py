"""The page docs/parameters.md: every parameter of the engine, rendered from the models of `params.yaml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import output
from slipway.files import write_text
from slipway.settings import PARAMS, Settings, read_settings, read_unchecked
from slipway.settings.explain import PLURALS, TYPES, bounds, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path("docs/parameters.md")
INTRODUCTION = """\
# Parameters

Every parameter of the engine in `params.yaml`, with the template's value. The comments in that file state the reasons.
The sections `split` and `model`, further keys of `data.suites`, and the entries of `tune.ranges` belong to the problem.
An invalid key or value is [one line](pull-requests.md) that names what is allowed.

`slipway docs --parameters` writes this page from the models in `src/slipway/settings`.
"""
HEADER = "| parameter | type | allowed | unit | value | description |\n| --- | --- | --- | --- | --- | --- |\n"
VALUE_LENGTH_MAX = 60  # characters; the file itself shows longer values


def write() -> None:
    """Write the page from this repository's params.yaml. Raises UserError if that is invalid."""
    read_settings()
    write_text(PAGE, render(read_unchecked(PARAMS)))
    output.result({"file": str(PAGE)}, str(PAGE))


def render(values: Mapping[str, Any]) -> str:
    """Return the page in Markdown for the content of params.yaml: one table for each section."""
    schema = Settings.model_json_schema()
    return INTRODUCTION + "".join(f"\n{text}" for text in _sections(values, schema, schema["$defs"], ""))


def _sections(
    values: Mapping[str, Any], schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Yield the text of a section, if it has keys of its own, and of each section in it."""
    rows, inner = [], []
    for name, field in schema["properties"].items():
        flat, key = resolved(field, definitions), f"{path}.{name}".removeprefix(".")
        if "description" in field:
            rows.append(_row(key, field, values.get(name), is_required=name in schema.get("required", [])))
        elif "properties" in flat:
            inner.append((values.get(name, {}), flat, definitions, key))
    if rows:
        title = f"## {path}\n\n{schema['description']}\n\n" if path else ""
        yield f"{title}{HEADER}{''.join(rows)}"
    for section in inner:
        yield from _sections(*section)


def _row(key: str, field: Mapping[str, Any], value: Any, *, is_required: bool) -> str:
    kind = _kind(field) if is_required else f"{_kind(field)}, optional"
    cells = (f"`{key}`", kind, _allowed(field), field.get("unit", ""), _value(value), field["description"])
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def _kind(field: Mapping[str, Any]) -> str:
    """Return the type of a value, such as `whole number` or `list of strings`."""
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    if options[0].get("type") == "array":
        return f"list of {PLURALS[options[0]['items']['type']]}"
    name = TYPES.get(options[0].get("type", ""), "a mapping")
    return name.removeprefix("a ")


def _allowed(field: Mapping[str, Any]) -> str:
    """Return the limits of a value or of each item of a list; empty for none."""
    options = field.get("items", field)
    values = [", ".join(f"`{value}`" for value in options["enum"])] if "enum" in options else []
    items = "1 or more items" if field.get("minItems") else ""
    return "; ".join(part for part in [*values, *bounds(options), items] if part)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= VALUE_LENGTH_MAX and value is not None else "in `params.yaml`"
