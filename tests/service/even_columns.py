"""A hook of schemathesis: the one rule of rows as columns for which JSON Schema has no words, that they are as long."""

from __future__ import annotations

from typing import Any

import schemathesis
from jsonschema import Draft202012Validator


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Cut columns that are as described, but for their length, to the shortest of them."""
    components = case.operation.schema.raw_schema["components"]
    described = Draft202012Validator({"$ref": "#/components/schemas/Columns", "components": components})
    if isinstance(case.body, dict) and "columns" in case.body and described.is_valid(case.body):
        columns = case.body["columns"]
        length = min(map(len, columns.values()))
        case.body = {"columns": {name: values[:length] for name, values in columns.items()}}
