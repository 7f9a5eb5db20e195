"""Schemas of GitHub's API and events, which validate requests and payloads and complete partial ones.

    rest().find("GET", "/repos/a/b/pulls/7").response(200).complete({"number": 7})
    events()["push"].problems(payload)

`complete` adds the required properties: null where the schema allows it, else the smallest valid value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REST, EVENTS = (Path(__file__).parent / name for name in ("rest.json", "events.json"))
ABSENT: Any = object()
ERROR_STATUSES = {401, 403, 404, 410, 422, 429, 500, 503}
EXAMPLES = {"date-time": "2026-01-01T00:00:00Z", "email": "octocat@github.example", "uri": "https://github.example/"}
"""Example string of each format."""


@dataclass(frozen=True)
class Schema:
    """A JSON Schema, and the schemas that it references."""

    schema: Any
    schemas: Mapping[str, Any]

    def problems(self, value: Any) -> list[str]:
        """Return a line per violation of the schema, each with its JSON path."""
        errors = self._validator.iter_errors(value)
        return sorted(f"{error.json_path}: {error.message[:200]}" for error in map(_deepest, errors))

    @cached_property
    def _validator(self) -> Any:
        return jsonschema.Draft202012Validator({**self.schema, "schemas": self.schemas})

    @property
    def properties(self) -> set[str]:
        """Names of the properties that the schema lists."""
        return set(self._declared()[0])

    def complete(self, value: Any = ABSENT, name: str = "") -> Any:
        """Return `value` with every missing required property. `name` is the property that holds the value."""
        if "$ref" in self.schema:
            return self._at(self.schemas[self.schema["$ref"].removeprefix("#/schemas/")]).complete(value, name)
        if value is ABSENT and self._may_be_null:
            return None
        for key in ("anyOf", "oneOf"):
            if key in self.schema and not self.schema.get("properties"):
                return self._variant(key, value, name)
        if value is ABSENT:
            value = self._minimum(name)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list) and "items" in self.schema:
            return [self._at(self.schema["items"]).complete(item) for item in value]
        return value

    def _at(self, schema: Any) -> Schema:
        return Schema(schema, self.schemas)

    @property
    def _may_be_null(self) -> bool:
        return not self.problems(None)

    def _variant(self, key: str, value: Any, name: str) -> Any:
        """Return the value completed by the first alternative that makes it valid, else by the last."""
        variants = [self._at(schema).complete(value, name) for schema in self.schema[key]]
        return next((variant for variant in variants if not self.problems(variant)), variants[-1])

    def _minimum(self, name: str) -> Any:
        """Return the smallest valid value; of a string, an example or `name`."""
        if "enum" in self.schema or "const" in self.schema:
            return self.schema.get("const", self.schema.get("enum", [None])[0])
        if self.schema.get("type") == "string":
            return EXAMPLES.get(self.schema.get("format", ""), name)
        minima = {"boolean": False, "array": [], "integer": self.schema.get("minimum", 0), "number": 0}
        return minima.get(self.schema.get("type", ""), {})

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        properties, required = self._declared()
        return {
            name: self._at(properties.get(name, {})).complete(value.get(name, ABSENT), name)
            for name in [*value, *(name for name in required if name not in value)]
        }

    def _declared(self) -> tuple[dict[str, Any], list[str]]:
        """Return the properties and the required names of this schema, including its `allOf`."""
        if "$ref" in self.schema:
            return self._at(self.schemas[self.schema["$ref"].removeprefix("#/schemas/")])._declared()
        properties, required = dict(self.schema.get("properties", {})), list(self.schema.get("required", []))
        for schema in self.schema.get("allOf", []):
            inherited, names = self._at(schema)._declared()
            properties, required = properties | inherited, required + names
        return properties, required


def _deepest(error: Any) -> Any:
    """Return the innermost cause of a validation error, from the alternative that fits best."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.path))
    return error


@dataclass(frozen=True)
class Operation:
    """An operation of the API: a method and a path."""

    name: str
    facts: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def request_problems(self, query: str, body: Any) -> Iterator[str]:
        """Yield a line per violation in a request with this query string and body."""
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in self.facts["query"]:
                yield f"{self.name}: no parameter {name}"
            else:
                schema = Schema(self.facts["query"][name], self.schemas)
                yield from (f"{self.name}: {name}: {problem}" for problem in schema.problems(_typed(schema, value)))
        if self.facts["body"] is None:
            yield from [f"{self.name}: takes no body"] * (body is not None)
        else:
            yield from (
                f"{self.name}: {problem}" for problem in Schema(self.facts["body"], self.schemas).problems(body)
            )

    def response(self, status: int) -> Schema | None:
        """Return the schema of a response, or None if it has no body. Raises LookupError for an unknown status.

        Every operation may return an error status with a message, even if its description lists none.
        """
        schema = self.facts["responses"].get(str(status), ABSENT)
        if status in ERROR_STATUSES and schema in (None, ABSENT):
            schema = {"$ref": "#/schemas/basic-error"}
        if schema is ABSENT:
            raise LookupError(f"{self.name}: has no response with status {status}")
        return None if schema is None else Schema(schema, self.schemas)


def _typed(schema: Schema, value: str) -> Any:
    """Convert a query parameter to its declared type."""
    kind = schema.schema.get("type")
    return int(value) if kind == "integer" and value.isdigit() else value == "true" if kind == "boolean" else value


class Operations:
    """The operations of the API."""

    def __init__(self, operations: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
        self.by_name = {name: Operation(name, facts, schemas) for name, facts in operations.items()}
        """Operation by method and path, such as `GET /repos/{owner}/{repo}`."""

    def find(self, method: str, path: str) -> Operation:
        """Return the operation of a request. Raises LookupError if the excerpt lacks it."""
        request = f"{method} {urlsplit(path).path}"
        for name in sorted(self.by_name, key=lambda name: name.count("{")):
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(name)), request):
                return self.by_name[name]
        raise LookupError(f"{request}: no such operation in GitHub's API or in excerpt.OPERATIONS")


@cache
def rest() -> Operations:
    """Return the operations of the API."""
    return Operations(**json.loads(REST.read_text(encoding="utf-8")))


@cache
def events() -> dict[str, Schema]:
    """Return the payload schema of each event by name."""
    content = json.loads(EVENTS.read_text(encoding="utf-8"))
    return {name: Schema(schema, content["schemas"]) for name, schema in content["events"].items()}
