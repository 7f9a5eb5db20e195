"""Advice for bodies of another shape, such as `{"instances": [...]}`, which other model servers accept.

pydantic reports such a body as one that lacks every field, which hides that only its shape is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from slipway.serving.refusal import KEY_CHARACTERS_MAX, detail

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE_FIELDS_MAX = 2


def advice(body: bytes | bytearray, names: Sequence[str]) -> dict[str, Any] | None:
    """Return the violated rule if `body`, which is JSON, is neither a row, nor an array of rows, nor columns.

    `names` are the fields of a row. The result is None if the shape is right, so that only values are invalid.
    """
    content = from_json(body)
    reason = _reason(content, frozenset(names))
    return detail(rule=f"{reason}; {_expected(names)}") if reason else None


def _reason(content: Any, names: frozenset[str]) -> str | None:
    if isinstance(content, list):
        return "Elements of the array should be objects" if content and not _any_object(content) else None
    if not isinstance(content, dict):
        is_text = isinstance(content, str) and content.lstrip()[:1] in {"{", "["}
        return "Body is a string that contains JSON: encode it once" if is_text else "Body should be an object or array"
    if not names.isdisjoint(content):
        is_table = all(isinstance(value, list) for value in content.values())
        return 'Arrays of values belong under the key "columns"' if is_table else None
    wrapper = next((key for key, value in content.items() if isinstance(value, list | dict)), None)
    if wrapper is None:
        return None
    if wrapper == "columns":
        return '"columns" should be the only key, with an object of arrays'
    return (
        f"{json.dumps(wrapper[:KEY_CHARACTERS_MAX], ensure_ascii=False)} is not a field of a row: send its rows alone"
    )


def _any_object(rows: list[Any]) -> bool:
    return any(isinstance(row, dict) for row in rows)


def _expected(names: Sequence[str]) -> str:
    named = names[:EXAMPLE_FIELDS_MAX]
    more = ", …" if len(names) > len(named) else ""
    row = "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: …" for name in named) + more + "}"
    columns = "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: […]" for name in named) + more + "}"
    return f'a body is a row {row}, an array of rows [{row}], or columns {{"columns": {columns}}}'
