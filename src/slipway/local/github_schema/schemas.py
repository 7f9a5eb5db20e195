"""The excerpts of GitHub's descriptions: find an operation or an event, complete an object, and say what is wrong.

    rest().find("GET", "/repos/a/b/pulls/7").response(200).complete({"number": 7})
    events()["push"].problems(payload)

`complete` adds what GitHub always sends: null where it may send null, else the least value that the description allows.
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
REFUSALS = {401, 403, 404, 410, 422, 429, 500, 503}
EXAMPLES = {"date-time": "2026-01-01T00:00:00Z", "email": "octocat@github.example", "uri": "https://github.example/"}
"""Texts of a format."""


@dataclass(frozen=True)
class Schema:
    """A schema, in the excerpt that holds those it refers to."""

    schema: Any
    schemas: Mapping[str, Any]

    def problems(self, value: Any) -> list[str]:
        """Return what is wrong with a value, each in a line that begins with its place."""
        found = self._validator.iter_errors(value)
        return sorted(f"{error.json_path}: {error.message[:200]}" for error in map(_deepest, found))

    @cached_property
    def _validator(self) -> Any:
        return jsonschema.Draft202012Validator({**self.schema, "schemas": self.schemas})

    @property
    def properties(self) -> set[str]:
        """Names of the properties that an object may have."""
        return set(self._declared()[0])

    def complete(self, value: Any = ABSENT, name: str = "") -> Any:
        """Return `value` with all that the schema requires and it lacks; `name` is that of the property that it has."""
        if "$ref" in self.schema:
            return self._at(self.schemas[self.schema["$ref"].removeprefix("#/schemas/")]).complete(value, name)
        if value is ABSENT and self._may_be_null:
            return None
        for key in ("anyOf", "oneOf"):
            if key in self.schema and not self.schema.get("properties"):
                return self._variant(key, value, name)
        if value is ABSENT:
            value = self._least(name)
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
        """The value, completed as the first of several schemas that it fits then."""
        made = [self._at(schema).complete(value, name) for schema in self.schema[key]]
        return next((one for one in made if not self.problems(one)), made[-1])

    def _least(self, name: str) -> Any:
        if "enum" in self.schema or "const" in self.schema:
            return self.schema.get("const", self.schema.get("enum", [None])[0])
        if self.schema.get("type") == "string":
            return EXAMPLES.get(self.schema.get("format", ""), name)
        least = {"boolean": False, "array": [], "integer": self.schema.get("minimum", 0), "number": 0}
        return least.get(self.schema.get("type", ""), {})

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        properties, required = self._declared()
        return {
            name: self._at(properties.get(name, {})).complete(value.get(name, ABSENT), name)
            for name in [*value, *(name for name in required if name not in value)]
        }

    def _declared(self) -> tuple[dict[str, Any], list[str]]:
        """Properties, and the names of those that are required, of this schema and of all that it consists of."""
        if "$ref" in self.schema:
            return self._at(self.schemas[self.schema["$ref"].removeprefix("#/schemas/")])._declared()
        properties, required = dict(self.schema.get("properties", {})), list(self.schema.get("required", []))
        for part in self.schema.get("allOf", []):
            more, names = self._at(part)._declared()
            properties, required = properties | more, required + names
        return properties, required


def _deepest(error: Any) -> Any:
    """Of an error in several alternatives, that of the one that fits best."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.path))
    return error


@dataclass(frozen=True)
class Operation:
    """A method of a path of the API."""

    name: str
    facts: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def request_problems(self, query: str, body: Any) -> Iterator[str]:
        """Yield what is wrong with a request."""
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in self.facts["query"]:
                yield f"{self.name}: no parameter {name}"
            else:
                schema = Schema(self.facts["query"][name], self.schemas)
                yield from (f"{self.name}: {name}: {problem}" for problem in schema.problems(_typed(schema, value)))
        if self.facts["body"] is None:
            yield from [f"{self.name}: takes no body"] * (body is not None)
        else:
            yield from (f"{self.name}: {one}" for one in Schema(self.facts["body"], self.schemas).problems(body))

    def response(self, status: int) -> Schema | None:
        """Return the schema of a response, None for one without a body. Raises LookupError for another status.

        GitHub may refuse any operation, and says why, whether its description has that or not.
        """
        schema = self.facts["responses"].get(str(status), ABSENT)
        if status in REFUSALS and schema in (None, ABSENT):
            schema = {"$ref": "#/schemas/basic-error"}
        if schema is ABSENT:
            raise LookupError(f"{self.name}: does not answer {status}")
        return None if schema is None else Schema(schema, self.schemas)


def _typed(schema: Schema, value: str) -> Any:
    """A parameter as the type that it is declared to have."""
    kind = schema.schema.get("type")
    return int(value) if kind == "integer" and value.isdigit() else value == "true" if kind == "boolean" else value


class Operations:
    """The excerpt of the API."""

    def __init__(self, operations: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
        self.by_name = {name: Operation(name, facts, schemas) for name, facts in operations.items()}
        """Operations by method and path, such as `GET /repos/{owner}/{repo}`."""

    def find(self, method: str, path: str) -> Operation:
        """Return the operation of a request. Raises LookupError for one that the excerpt does not have."""
        asked = f"{method} {urlsplit(path).path}"
        for name in sorted(self.by_name, key=lambda name: name.count("{")):
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(name)), asked):
                return self.by_name[name]
        raise LookupError(f"{asked}: GitHub's API has no such operation, or excerpt.OPERATIONS lacks it")


@cache
def rest() -> Operations:
    """Return the excerpt of the API."""
    return Operations(**json.loads(REST.read_text(encoding="utf-8")))


@cache
def events() -> dict[str, Schema]:
    """Return the schema of the payload of each event, by its name."""
    content = json.loads(EVENTS.read_text(encoding="utf-8"))
    return {name: Schema(schema, content["schemas"]) for name, schema in content["events"].items()}
