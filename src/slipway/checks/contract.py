"""The data contract: validation of every row of a frame against the problem's `Row`, by pydantic itself.

Where `Row` has no rule on several columns, each column is validated as a list by its field's own validator, which takes
a sixth of the time, and only rows with a value that it rejects are validated as rows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from slipway.gates.data_evidence import BrokenRule, Example
from slipway.schema.fields import fields
from slipway.schema.missing import with_none
from slipway.schema.typed_rows import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

CHUNK_ROWS = 5000  # rows validated at a time; bounds the memory of their Python values
VALUE_LENGTH_MAX = 60  # characters of an example; a value may be a whole corrupted line
COLUMN_PATH_LENGTH = 2  # the path of an error is (row, column, …); a rule on several columns has (row,) only

RULES = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "string_pattern_mismatch": "matches {pattern}",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
}
KINDS = {
    "greater_than_equal": "limit",
    "greater_than": "limit",
    "less_than_equal": "limit",
    "less_than": "limit",
    "multiple_of": "limit",
    "finite_number": "limit",
    "literal_error": "category",
    "enum": "category",
    "string_pattern_mismatch": "category",
}
KINDS_WITH_UNIT = {"limit"}
COLUMN_KINDS = ("missing column", "unknown column")
"""Kinds of findings on whole columns."""


def check(frame: pd.DataFrame, row: type[BaseModel], others: set[str], example_rows: int) -> list[BrokenRule]:
    """Return the findings on all rows of `frame`; `others` are its columns in addition to those of `row`."""
    names = list(row.model_fields)
    absent = [name for name in [*names, *sorted(others)] if name not in frame]
    surplus = [str(name) for name in frame if name not in {*names, *others}]
    unknown = f"{row.__name__} has no such column"
    findings = [_column_finding(COLUMN_KINDS[0], name, "the column is required", len(frame)) for name in absent]
    findings += [_column_finding(COLUMN_KINDS[1], name, unknown, len(frame)) for name in surplus]
    return findings + _broken_rules(frame[[name for name in names if name in frame]], row, example_rows)


def _column_finding(kind: str, column: str, rule: str, count: int) -> BrokenRule:
    return BrokenRule(column=column, kind=kind, rule=rule, count=count)


def _broken_rules(frame: pd.DataFrame, row: type[BaseModel], example_rows: int) -> list[BrokenRule]:
    described = fields(row)
    broken: dict[tuple[str, str, str], dict[int, Any]] = defaultdict(dict)
    for place, error in _errors(frame, row):
        column = str(error["loc"][1]) if len(error["loc"]) >= COLUMN_PATH_LENGTH else ""
        if error["type"] != "missing" or column in frame:
            unit = described[column].unit if column in described else ""
            broken[(column, *_rule(error, unit))].setdefault(place, error["input"])
    return [
        BrokenRule(
            column=column,
            kind=kind,
            rule=rule,
            count=len(rows),
            examples=[Example(row=place, value=quoted(value)) for place, value in list(rows.items())[:example_rows]],
        )
        for (column, kind, rule), rows in sorted(broken.items())
    ]


def _errors(frame: pd.DataFrame, row: type[BaseModel]) -> Iterator[tuple[int, ErrorDetails]]:
    """Yield each error of pydantic with the number of its row."""
    adapter = TypeAdapter[Any](list[row])  # type: ignore[valid-type]  # known at run time only
    suspects = _suspects(frame, row)
    for start in range(0, len(suspects), CHUNK_ROWS):
        places = suspects[start : start + CHUNK_ROWS]
        try:
            adapter.validate_python(records(frame.iloc[places]))
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False):
                yield int(places[int(error["loc"][0])]), error


def _suspects(frame: pd.DataFrame, row: type[BaseModel]) -> np.ndarray:
    """Return the numbers of the rows with a value that its field rejects; all, where a rule may read several columns.

    Shape (k,), ascending.
    """
    validators = field_validators(row)
    if validators is None:
        return np.arange(len(frame))
    places: set[int] = set()
    for name, values in frame.items():
        try:
            validators[str(name)].validate_python(with_none(values).tolist())
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False, include_context=False, include_input=False)
            places |= {int(error["loc"][0]) for error in errors}
    return np.array(sorted(places), dtype=int)


def field_validators(row: type[BaseModel]) -> dict[str, SchemaValidator] | None:
    """Return the validator of a list of values for each field; None unless every value is judged on its own.

    A function may read the other fields if it takes the state of the validation, and an alias renames a field.
    """
    schema = cast("dict[str, Any]", row.__pydantic_core_schema__)
    inner = schema.get("schema", {})
    is_plain = schema["type"] == "model" and inner.get("type") == "model-fields"
    if not is_plain or schema["custom_init"] or "post_init" in schema or _reads_others(inner):
        return None
    if any("validation_alias" in field for field in inner["fields"].values()):
        return None
    config = schema.get("config")
    return {
        name: SchemaValidator(core_schema.list_schema(field["schema"]), config)
        for name, field in inner["fields"].items()
    }


def _reads_others(schema: Any) -> bool:
    if isinstance(schema, dict):
        return schema.get("type") == "with-info" or any(map(_reads_others, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_reads_others, schema))


def _rule(error: Mapping[str, Any], unit: str) -> tuple[str, str]:
    """Return kind and text of the broken rule, with the limit and its unit."""
    if error["input"] is None:
        return "missing value", "may not be missing"
    if error["type"] not in RULES:
        return "rule", error["msg"]
    kind, rule = KINDS.get(error["type"], "type"), RULES[error["type"]].format(**error.get("ctx", {}))
    if kind == "category" and not isinstance(error["input"], str):
        kind = "type"
    return kind, f"{rule} {unit}".strip() if kind in KINDS_WITH_UNIT else rule


def quoted(value: Any) -> Any:
    """Return a value as evidence quotes it: a number or a short string."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 1] + "…"
