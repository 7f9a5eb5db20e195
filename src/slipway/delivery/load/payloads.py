"""Rows to send to a service, out of a file of real ones, each held against the problem's `Row` before it is sent."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from problem import Row
from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def read_payloads(path: Path, count: int, seed: int) -> list[str]:
    """Bodies of requests: at most `count` rows drawn from `path`, each the JSON text of a valid `Row`.

    Takes `.parquet` as stage `prepare` writes it (columns that `Row` does not have are left out), `.json` (a list of
    rows, or an object with one as `rows`, such as a release's known rows) or `.jsonl` (a row a line). Raises UserError
    when there is no row, or when one breaks `Row`.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file of rows; run `slipway train`, or name one with --payloads")
    table = path.suffix == ".parquet"
    rows = _from_parquet(path, count, seed) if table else _from_json(path, count, seed)
    if not rows:
        raise UserError(f"{path}: holds no row; a load test needs at least one")
    return [_body(path, row, strict=not table) for row in rows]


def _from_parquet(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    import pandas as pd

    table = pd.read_parquet(path, columns=list(Row.model_fields))
    table = table.sample(n=min(count, len(table)), random_state=seed)
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """Undo what `slipway.schema` does to a value: NaN and "" were None, 5.0 was 5, a float32 was a short decimal."""
    import numpy as np

    if isinstance(value, float | np.floating):
        number = float(str(np.float32(value)))
        return None if np.isnan(value) else int(number) if number.is_integer() else number
    return None if value == "" else value


def _from_json(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    try:
        rows = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); a list of rows, or with the ending .jsonl a row a line") from None
    if isinstance(rows, dict):
        rows = rows.get("rows")
    if not isinstance(rows, list):
        raise UserError(f"{path}: holds a {type(rows).__name__}; a list of rows is needed")
    return random.Random(seed).sample(rows, min(count, len(rows)))  # noqa: S311  a sample, not a secret


def _body(path: Path, row: dict[str, Any], *, strict: bool) -> str:
    """Not strict at first for a table, which knows neither integers nor booleans beside missing values."""
    try:
        text = json.dumps(row) if strict else Row.model_validate(row, strict=False).model_dump_json()
        return Row.model_validate_json(text).model_dump_json()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("Row", *first["loc"])))
        raise UserError(f"{path}: {where} is {first['input']!r}: {first['msg']}; only valid rows may be sent") from None
