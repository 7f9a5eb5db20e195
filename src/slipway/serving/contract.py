"""Parser and validator of request bodies. A refusal reports row, field and rule.

pydantic-core parses JSON directly into `problem.Row`, about ten times faster than `json.loads` with a check of each
value. This module also refuses what pydantic-core accepts: NaN, Infinity, numbers too large for float32, and repeated
keys.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from slipway.schema.columns import columns
from slipway.serving import body_shape, columnar, strict_row
from slipway.serving.json_numbers import RULE, NumberRules
from slipway.serving.refusal import KEY_CHARACTERS_MAX, RefusedError, detail, violation

if TYPE_CHECKING:
    from pydantic import BaseModel

DETAILS_MAX = 20  # violations in a refusal; more than a row has fields, while a body of unknown keys has 100,000
KEYS_MAX = 20_000  # in a body of a small `Row`; a list of the violations of as many keys takes 0.1 s
KEY = re.compile(rb'"[ \t\r\n]*:')  # the end of each key; also the start of a string that begins with a colon


class RowContract:
    """Contract of request bodies, derived from the problem's `Row`."""

    def __init__(self, row: type[BaseModel], max_rows: int) -> None:
        self._names = [column.name for column in columns(row)]
        self._numbers = NumberRules(row)
        self._max_rows = max_rows
        # KEY also matches strings with a colon, one per value, and the key of columns
        self._keys_max = max(KEYS_MAX, 2 * len(self._names) * max_rows + 2)
        strict = strict_row.strict(row)
        self._columns = columnar.ColumnsValidator(strict, max_rows)
        rows: Any = list[strict]  # type: ignore[valid-type]  # a class made at run time
        self._row_validator = TypeAdapter(strict).validator
        self._rows_validator = TypeAdapter(
            Annotated[rows, Field(min_length=1, max_length=max_rows), FailFast()]
        ).validator

    def parse(self, body: bytes | bytearray) -> tuple[int, dict[str, list[Any]]]:
        """Parse a row, an array of rows, or columns; return the number of rows and the columns. Raises RefusedError."""
        colons = body.count(b":")
        self._refuse_too_many_keys(body, colons)
        read = self._from_columns if columnar.START.match(body) else self._from_body_of_rows
        table = read(body, colons)
        if too_large := self._numbers.too_large(table):
            raise violation(detail(*too_large, RULE))
        return len(table[self._names[0]]), table

    def approximate_rows(self, body: bytes | bytearray) -> int:
        """Estimate the rows in `body`, without parsing it, from the number of commas."""
        return body.count(b",") // len(self._names)

    def _refuse_too_many_keys(self, body: bytes | bytearray, colons: int) -> None:
        # pydantic would list the violation of each key, and block the other requests for a second.
        if colons > self._keys_max and sum(1 for _ in KEY.finditer(body)) > self._keys_max:
            with suppress(ValueError):  # not JSON, which pydantic reports as quickly
                from_json(body)
                raise violation(detail(rule="Body should not have more keys than the maximum number of rows has"))

    def _from_body_of_rows(self, body: bytes | bytearray, colons: int) -> dict[str, list[Any]]:
        table = None if _is_one(body) else self._columns.parse_rows(body)
        if table is None:
            return self._from_rows(body, colons)
        rows = len(table[self._names[0]])
        if colons != rows * len(table):
            refuse_repeated_keys(body, rows)
        return table

    def _from_rows(self, body: bytes | bytearray, colons: int) -> dict[str, list[Any]]:
        rows = self._rows(body)
        # Valid rows are flat, so a body has one colon per key. More colons are in strings, or a key is repeated.
        if colons != sum(len(row.__pydantic_fields_set__) for row in rows):
            refuse_repeated_keys(body, len(rows))
        values = [row.__dict__ for row in rows]
        if len(values) == 1:  # in a third of the time of the general case
            return {name: [value] for name, value in values[0].items()}
        return {name: [value[name] for value in values] for name in self._names}

    def _from_columns(self, body: bytes | bytearray, colons: int) -> dict[str, list[Any]]:
        table = self._columns.parse(body)
        if table is None:
            try:
                rows = columnar.to_rows(body, self._max_rows)
            except ValidationError as error:
                raise _refusal(error, (None,), -1) from None
            table = self._from_rows(rows, rows.count(b":"))
        if colons != 1 + len(table):
            refuse_repeated_keys(body, 1)
        return table

    def _rows(self, body: bytes | bytearray) -> list[BaseModel]:
        is_one = _is_one(body)
        try:
            return self._valid(body, is_one)
        except ValidationError as error:
            refused = error
        # A body that has 2.0 for 2 is parsed twice; only such bodies pay for it.
        if (converted := self._numbers.with_integers(body, refused)) is not None:
            try:
                return self._valid(converted, is_one)
            except ValidationError as error:
                refused = error
        if _is_json(refused) and (shape := body_shape.advice(body, self._names)):
            raise violation(shape) from None
        raise _refusal(refused, (0,) if is_one else ()) from None

    def _valid(self, body: bytes | bytearray, is_one: bool) -> list[BaseModel]:
        return [self._row_validator.validate_json(body)] if is_one else self._rows_validator.validate_json(body)


def _is_one(body: bytes | bytearray) -> bool:
    return body.lstrip(b" \t\r\n")[:1] == b"{"


def _refusal(error: ValidationError, row: tuple[int | None, ...], start: int = 0) -> RefusedError:
    """Return the refusal of a body. Row and field are in `row` and in pydantic's location from `start` on."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if not _is_json(error):
        return RefusedError(400, "json", errors[0]["msg"])
    return violation(*(_detail((*row, *item["loc"][start:]), item["msg"]) for item in errors[:DETAILS_MAX]))


def _is_json(error: ValidationError) -> bool:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] != "json_invalid"


def _detail(location: tuple[Any, ...], rule: str) -> dict[str, Any]:
    row, field = (*location, None, None)[:2]
    return detail(row, None if field is None else str(field)[:KEY_CHARACTERS_MAX], rule)


def refuse_repeated_keys(body: bytes | bytearray, rows: int) -> None:
    """Raise RefusedError if an object in `body` repeats a key; its first `rows` objects are rows."""
    row = 0

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal row
        keys: set[str] = set()
        for key, _ in pairs:
            if key in keys:
                raise violation(detail(row if row < rows else None, key[:KEY_CHARACTERS_MAX], "Key is repeated"))
            keys.add(key)
        row += 1

    json.loads(body, object_pairs_hook=check)
