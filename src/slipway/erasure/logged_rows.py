"""Removal of a data subject's rows from the prediction logs of this machine, and from the collected rows.

A line of the log becomes spaces of the same length: the service appends to the file, and the collector knows its
position in it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

import problem
from slipway.environment.place import ENVIRONMENTS, Place
from slipway.erasure.file_formats import equals
from slipway.monitoring import collect
from slipway.monitoring.log_columns import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def counts(column: str, key: str) -> dict[str, int]:
    """Return the number of lines and collected rows of `key` by environment."""
    return {name: _each(name, column, key, only_count=True) for name in ENVIRONMENTS}


def erase(column: str, key: str) -> int:
    """Remove the lines and rows whose `column` or request ID is `key`, and return their number."""
    return sum(_each(name, column, key, only_count=False) for name in ENVIRONMENTS)


def _each(environment: str, column: str, key: str, *, only_count: bool) -> int:
    place = Place.of(environment)

    def matches(table: pa.Table) -> pa.ChunkedArray:
        columns = [name for name in (column, KEY[0]) if name in table.column_names]
        selected = equals(table[columns[0]], key)
        for name in columns[1:]:
            selected = pc.or_(selected, equals(table[name], key))
        return selected

    collected = collect.of_environment(place, problem.Row).remove(matches, only_count=only_count)
    logs = sorted(place.predictions.glob("predictions-*.jsonl"))
    return collected + sum(_in_log(path, column, key, only_count=only_count) for path in logs)


def _in_log(path: Path, column: str, key: str, *, only_count: bool) -> int:
    """Blank the lines of `key` in one file of the log, and return their number."""
    count = 0
    with path.open("rb" if only_count else "r+b") as file:
        for start, line in _lines(path):
            if _is_of(line, column, key):
                count += 1
                if not only_count:
                    os.pwrite(file.fileno(), b" " * (len(line) - 1), start)
        if count and not only_count:
            os.fsync(file.fileno())
    return count


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and content of each complete line."""
    start = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield start, line
            start += len(line)


def _is_of(line: bytes, column: str, key: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    if not isinstance(record, dict):
        return False
    row = record.get("row")
    values = [record.get("request_id"), row.get(column) if isinstance(row, dict) else None]
    return any(value is not None and str(value) == key for value in values)
