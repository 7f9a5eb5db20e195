"""From the bytes of a request to valid rows, or to a refusal that names row, field and rule.

pydantic-core reads JSON straight into `problem.Row`, about ten times as fast as `json.loads` and a check of each value.
Strict JSON goes further than it does: NaN, Infinity, numbers beyond float32 and repeated keys are refused here.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from slipway.schema import columns
from slipway.serving import columnar
from slipway.serving.json_numbers import RULE, Numbers
from slipway.serving.refusal import RefusedError, broken, detail

if TYPE_CHECKING:
    from pydantic import BaseModel

NAME_LENGTH = 80  # characters of an unknown key that a refusal repeats
DETAILS = 20  # broken rules that it lists; more than a row has fields, and a body of other keys breaks 100,000
MANY_KEYS = 20_000  # in a body; to list what is wrong with so many takes 0.1 s
KEY = re.compile(rb'"[ \t\r\n]*:')  # the end of each key, and the start of a text that starts with a colon


class Contract:
    """What a body must be, derived from the problem's `Row`."""

    def __init__(self, row: type[BaseModel], max_rows: int) -> None:
        self._names = [column.name for column in columns(row)]
        self._numbers = Numbers(row)
        self._max_rows = max_rows
        self._most_keys = max(MANY_KEYS, 2 * len(self._names) * max_rows + 2)  # and texts, and the key of columns
        strict = _strict(row)
        self._columns = columnar.Columns(strict, max_rows)
        self._one = TypeAdapter(strict).validator
        self._many = TypeAdapter(
            Annotated[list[strict], Field(min_length=1, max_length=max_rows), FailFast()]
        ).validator

    def parse(self, body: bytes | bytearray) -> tuple[int, dict[str, list[Any]]]:
        """Turn one row, an array of rows or columns, in JSON, into (number of rows, columns). Raises RefusedError."""
        self._refuse_too_many_keys(body)
        table = self._from_columns(body) if columnar.START.match(body) else self._from_rows(body)
        if too_large := self._numbers.too_large(table):
            raise broken(detail(*too_large, RULE))
        return len(table[self._names[0]]), table

    def _refuse_too_many_keys(self, body: bytes | bytearray) -> None:
        # pydantic would list what is wrong with each, and keep the other requests waiting for a second.
        if body.count(b":") > self._most_keys and sum(1 for _ in KEY.finditer(body)) > self._most_keys:
            with suppress(ValueError):  # it is not JSON, which pydantic says as soon
                from_json(body)
                raise broken(detail(rule="Body should have no more keys than all rows that it may have"))

    def _from_rows(self, body: bytes | bytearray) -> dict[str, list[Any]]:
        rows = self._rows(body)
        # Only flat objects pass, so a body has a colon for each key. More of them: in a text, or a key came twice.
        if body.count(b":") != sum(len(row.__pydantic_fields_set__) for row in rows):
            refuse_repeated_keys(body, len(rows))
        values = [row.__dict__ for row in rows]
        return {name: [value[name] for value in values] for name in self._names}

    def _from_columns(self, body: bytes | bytearray) -> dict[str, list[Any]]:
        table = self._columns.parse(body)
        if table is None:
            try:
                rows = columnar.to_rows(body, self._max_rows)
            except ValidationError as error:
                raise _refusal(error, (None,), -1) from None
            table = self._from_rows(rows)
        if body.count(b":") != 1 + len(table):
            refuse_repeated_keys(body, 1)
        return table

    def _rows(self, body: bytes | bytearray) -> list[BaseModel]:
        is_one = body.lstrip(b" \t\r\n")[:1] == b"{"
        try:
            return self._valid(body, is_one)
        except ValidationError as error:
            refused = error
        # A body that writes 2.0 for 2 is read a second time; only such bodies pay for it.
        if (mended := self._numbers.with_integers(body, refused)) is not None:
            try:
                return self._valid(mended, is_one)
            except ValidationError as error:
                refused = error
        raise _refusal(refused, (0,) if is_one else ()) from None

    def _valid(self, body: bytes | bytearray, is_one: bool) -> list[BaseModel]:
        return [self._one.validate_json(body)] if is_one else self._many.validate_json(body)


def _strict(row: type[BaseModel]) -> type[BaseModel]:
    class Strict(row):
        """`Row`, strict even if a fork forgot to say so."""

        model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_enum_values=True)

    return Strict


def _refusal(error: ValidationError, row: tuple[int | None, ...], start: int = 0) -> RefusedError:
    """`row` and what a location of pydantic's has from `start` on name the row and the field."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return RefusedError(400, "json", errors[0]["msg"])
    return broken(*(_detail((*row, *item["loc"][start:]), item["msg"]) for item in errors[:DETAILS]))


def _detail(location: tuple[Any, ...], rule: str) -> dict[str, Any]:
    row, field = (*location, None, None)[:2]
    return detail(row, None if field is None else str(field)[:NAME_LENGTH], rule)


def refuse_repeated_keys(body: bytes | bytearray, rows: int) -> None:
    """Raise RefusedError if an object in `body` has a key twice; its first `rows` objects are rows."""
    row = 0

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal row
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise broken(detail(row if row < rows else None, key[:NAME_LENGTH], "Key occurs twice"))
            seen.add(key)
        row += 1

    json.loads(body, object_pairs_hook=check)
