"""Hook of schemathesis for the rule that JSON Schema cannot express: columns have equal lengths."""

from __future__ import annotations

from typing import Any

import schemathesis
from jsonschema import Draft202012Validator


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Truncate columns that satisfy the schema to the length of the shortest."""
    components = case.operation.schema.raw_schema["components"]
    validator = Draft202012Validator({"$ref": "#/components/schemas/Columns", "components": components})
    if isinstance(case.body, dict) and "columns" in case.body and validator.is_valid(case.body):
        columns = case.body["columns"]
        length = min(map(len, columns.values()))
        case.body = {"columns": {name: values[:length] for name, values in columns.items()}}
