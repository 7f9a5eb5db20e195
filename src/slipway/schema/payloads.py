"""Request bodies for a service: rows drawn from a file and validated against the problem's `Row`."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from problem import Row
from slipway.errors import DataError, MissingFileError, UnreadableFileError

if TYPE_CHECKING:
    from pathlib import Path


def read_payloads(path: Path, count: int, seed: int) -> list[str]:
    """Return at most `count` request bodies drawn from `path`, each the JSON of a valid `Row`.

    The file is `.parquet` from stage `prepare` (columns that `Row` lacks are dropped), `.json` (a list of rows, or an
    object with a list `rows`, such as a release's smoke test) or `.jsonl` (one row per line). Raises UserError when
    there is no row or when a row is invalid.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: file of rows not found; run `slipway train`, or name a file with --payloads")
    rows = _from_parquet(path, count, seed) if path.suffix == ".parquet" else _from_json(path, count, seed)
    if not rows:
        raise DataError(f"{path}: contains no rows; at least one is required")
    return [_body(path, row) for row in rows]


def _from_parquet(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    import pandas as pd

    from slipway.schema.typed_rows import records, to_typed

    table = pd.read_parquet(path, columns=list(Row.model_fields))
    return records(to_typed(table.sample(n=min(count, len(table)), random_state=seed), Row))


def _from_json(path: Path, count: int, seed: int) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    try:
        rows = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    except ValueError as error:
        raise UnreadableFileError(
            f"{path}: not JSON ({error}); expected a list of rows, or one row per line in .jsonl"
        ) from None
    if isinstance(rows, dict):
        rows = rows.get("rows")
    if not isinstance(rows, list):
        raise DataError(f"{path}: contains a {type(rows).__name__}; expected a list of rows")
    return random.Random(seed).sample(rows, min(count, len(rows)))  # noqa: S311  a sample, not a secret


def _body(path: Path, row: dict[str, Any]) -> str:
    """Return the JSON of a row, as `Row` validates and writes it. Raises UserError for an invalid one."""
    try:
        return Row.model_validate_json(json.dumps(row)).model_dump_json()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("Row", *first["loc"])))
        raise DataError(f"{path}: {where} is {first['input']!r}: {first['msg']}; fix the row") from None
