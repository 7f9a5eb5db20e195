"""The contract of a service: what its OpenAPI document requires of a request and states about a response.

Its version is the same for all releases with the same rules, whatever their descriptions, models and parameters.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from slipway.schema.fields import fields_of, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.schema.fields import RowField

VERSION = "x-contract"
"""Key of the contract's version in the section `info`."""
TARGET = "x-target"
"""Key of the target in the schema of the predictions: the same type of another target has another meaning."""
TITLE = "Predictions of "
"""Start of the document's title, which the target follows."""
VERSION_DIGITS = 12
ANNOTATIONS = frozenset({"title", "description", "unit", "examples", "deprecated", "redact", "$comment"})
"""Keys of a schema that no request or response has to follow."""
LENGTHS = ("pattern", "minLength", "maxLength", "multipleOf")
"""Rules whose changes are named as they are, without a judgment which of two is stricter."""
CHANGES_MAX = 20  # changes that a sentence names
VALUES_MAX = 5  # values of a closed list that a change names


def version(schemas: Mapping[str, Any]) -> str:
    """Return the version of the contract in the `schemas` of an OpenAPI document, as 12 hexadecimal digits."""
    rules = [_rules(schemas[name], schemas) for name in ("Row", "Predictions")]
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:VERSION_DIGITS]


def _rules(schema: Any, schemas: Mapping[str, Any]) -> Any:
    """Return `schema` with references resolved, and without annotations and the order of properties."""
    if isinstance(schema, list):
        return [_rules(item, schemas) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _rules(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    rules = {key: _rules(value, schemas) for key, value in schema.items() if key not in {*ANNOTATIONS, "properties"}}
    if "properties" in schema:
        rules["properties"] = {name: _rules(inner, schemas) for name, inner in schema["properties"].items()}
        rules["required"] = sorted(schema.get("required", []))
    return rules


def breaking_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what clients of the OpenAPI document `before` must do to use the service of `after`.

    Each is the end of a sentence that begins with "clients must": how they read predictions, then what they send. A
    request that fulfills all of them may still break a rule that both documents have.
    """
    old, new = _Rows.read(before), _Rows.read(after)
    changes = _read_differently(before, after)
    changes += [f"stop sending `{name}`" for name in old.fields if name not in new.fields]
    for name, field in new.fields.items():
        if name not in old.fields:
            changes += [f"send `{name}`"] if name in new.required else []
            continue
        if name in new.required and name not in old.required:
            changes.append(f"always send `{name}`")
        changes += _stricter(old.fields[name], field)
        changes += [
            f"send `{name}` with {rule} {new.lengths[name][rule]}"
            for rule in LENGTHS
            if rule in new.lengths[name] and new.lengths[name][rule] != old.lengths[name].get(rule)
        ]
    return changes


def sentence(changes: Sequence[str]) -> str:
    """Return the changes of `breaking_changes` as one clause, of which a long list is cut."""
    named = changes if len(changes) <= CHANGES_MAX else [*changes[:CHANGES_MAX], f"{len(changes) - CHANGES_MAX} more"]
    return f"clients must {'; '.join(named)}"


def _read_differently(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what clients must do to understand the predictions: for another target, another task, or both."""
    old, new = _prediction(before), _prediction(after)
    if old is None or new is None:
        return []
    (old_target, old_kind), (target, kind) = old, new
    changes = [] if target == old_target else [f"read predictions of `{target}`, not of `{old_target}`"]
    return changes if kind == old_kind else [*changes, f"read each prediction as {kind}, not {old_kind}"]


def _prediction(document: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the target of a document, which older ones have in the title only, and what each prediction is.

    None for a document without predictions, such as one of a release that another service answers.
    """
    schemas = document["components"]["schemas"]
    if "Predictions" not in schemas:
        return None
    predictions = schemas["Predictions"]["properties"]["predictions"]
    items = predictions["items"]
    kind = "a probability" if "maximum" in items else "a number"
    kind = "probabilities by class" if items["type"] == "object" else kind
    return predictions.get(TARGET) or document["info"]["title"].removeprefix(TITLE), kind


class _Rows:
    """Rules for rows in an OpenAPI document."""

    def __init__(self, row: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self.fields = fields_of(row, definitions)
        self.required = set(row.get("required", []))
        self.lengths = {
            name: {rule: option[rule] for option in options(schema, definitions) for rule in LENGTHS if rule in option}
            for name, schema in row["properties"].items()
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> _Rows:
        schemas = document["components"]["schemas"]
        return cls(schemas["Row"], schemas)


def _stricter(old: RowField, new: RowField) -> Iterator[str]:
    """Yield what clients must do for a field whose rules became stricter."""
    if new.type != old.type and (old.type, new.type) != ("integer", "number"):
        yield f"send `{new.name}` as {new.type}, not {old.type}"
        return
    if old.optional and not new.optional:
        yield f"send no null for `{new.name}`"
    if new.categories is not None and old.categories is None:
        yield f"send only {_listed(new.categories)} for `{new.name}`"
    elif new.categories is not None and (gone := set(old.categories or ()) - set(new.categories)):
        yield f"stop sending {_listed(sorted(gone, key=str))} for `{new.name}`"
    for is_stricter, sign, limit in (
        (_lower_end(new) > _lower_end(old), ">" if new.low == new.exclusive_minimum else "≥", new.low),
        (_upper_end(new) > _upper_end(old), "<" if new.high == new.exclusive_maximum else "≤", new.high),
    ):
        if is_stricter:
            yield f"send `{new.name}` {sign} {limit:g}"


def _lower_end(field: RowField) -> tuple[float, bool]:
    return field.low, field.low == field.exclusive_minimum


def _upper_end(field: RowField) -> tuple[float, bool]:
    return -field.high, field.high == field.exclusive_maximum


def _listed(values: Sequence[Any]) -> str:
    names = [json.dumps(value, ensure_ascii=False) for value in values[:VALUES_MAX]]
    return ", ".join([*names, "…"] if len(values) > VALUES_MAX else names)
