"""The collection: the prediction log of an environment as Parquet by day.

A part is `day=2013-10-01/<log file>-<offset>.parquet`. Log files only grow, so the cursor is one offset per file. A
part is named after the offset of its first line: a collector that was killed resumes there and replaces the part by
one with the same lines, and perhaps more. No line is stored twice. Each line is stored under the day of its own time,
even if it is read later.

The folder is local, or any URL that fsspec opens: SLIPWAY_COLLECTED=s3://BUCKET/FOLDER, gs://… or az://….
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slipway.environment import buckets
from slipway.errors import SettingError
from slipway.files import write_bytes
from slipway.gates.monitoring_evidence import Collected
from slipway.loadtest.traffic import SYNTHETIC_ID_PREFIX
from slipway.monitoring import rows as log_rows
from slipway.monitoring.log_columns import KEY, LOGGED, PREFIX, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from slipway.environment.place import Place

FOLDER_VARIABLE = "SLIPWAY_COLLECTED"
"""Environment variable: folder or URL that holds a folder for each environment."""
CURSOR_FILE = "read.json"
CHUNK_BYTES = 32_000_000  # of a log, parsed at a time: 70,000 rows of the sample and 300 MB of memory


class Collection:
    """Rows by day, stored at `url`."""

    def __init__(self, url: str, row: type[BaseModel]) -> None:
        self.url, self._row = url.rstrip("/"), row
        self._files, self._root = _open(self.url)

    def collect(self, logs: Path) -> Collected:
        """Store the lines that the log files in `logs` gained since the last run."""
        cursor, totals = self._cursor(), [0, 0, 0]
        paths = sorted(logs.glob("predictions-*.jsonl"))
        offsets = {path.name: cursor.get(path.name, 0) for path in paths}
        for path in paths:
            for start, lines in _chunks(path, offsets[path.name]):
                counts = self._store_lines(lines, f"{path.stem}-{start}")
                totals = [total + count for total, count in zip(totals, counts, strict=True)]
                offsets[path.name] = start + len(lines)
                self.write_text(CURSOR_FILE, json.dumps(offsets, indent=1))
        rows, unreadable, own = totals
        return Collected(rows=rows, unreadable=unreadable, own=own)

    def remove(self, matching: Callable[[pa.Table], pa.ChunkedArray], *, only_count: bool = False) -> int:
        """Remove the rows that `matching` marks in a table with the columns `LOGGED`, and return their number."""
        count = 0
        for path in (path for day in self.days() for path in self._parts(day)):
            with self._files.open(path, "rb") as file:
                table = _with_prefix(pq.read_table(file, partitioning=None))
            marked = matching(table)
            number = pc.sum(marked).as_py() or 0
            count += number
            if number and not only_count:
                buffer = pa.BufferOutputStream()
                pq.write_table(table.filter(pc.invert(marked)), buffer, compression="zstd")
                self._write(path, buffer.getvalue().to_pybytes())
        return count

    def remove_before(self, moment: datetime) -> int:
        """Remove the days that ended before `moment`, and return their number."""
        expired = [day for day in self.days() if datetime.fromisoformat(f"{day}T00:00Z") + timedelta(days=1) <= moment]
        for day in expired:
            self._files.rm(f"{self._root}/day={day}", recursive=True)
        return len(expired)

    def read(self, start: datetime, end: datetime, fraction: float = 1.0) -> pd.DataFrame:
        """Return the rows from `start` until before `end`, oldest first.

        With `fraction` below 1, return about that fraction of them, with the same rows each time.
        """
        tables = [self._part(path, start, end, fraction) for day in _days(start, end) for path in self._parts(day)]
        table = pa.concat_tables(
            [table for table in tables if len(table)] or [log_rows.empty(self._row)], promote_options="permissive"
        )
        return log_rows.to_frame(table.sort_by(TIME), self._row)

    def read_sample(self, start: datetime, end: datetime, rows_max: int) -> tuple[pd.DataFrame, float]:
        """Return a uniform sample of about `rows_max` rows, and the fraction of all rows that it is."""
        count = sum(self._count(path) for day in _days(start, end) for path in self._parts(day))
        fraction = min(1.0, rows_max / max(1, count))
        return self.read(start, end, fraction), fraction

    def days(self) -> list[str]:
        """Return the days that have rows, oldest first."""
        paths = self._files.glob(f"{self._root}/day=*")
        return sorted(path.rsplit("=", 1)[-1] for path in paths)

    def read_text(self, name: str) -> str | None:
        """Return the content of the file `name`; None if it does not exist."""
        path = f"{self._root}/{name}"
        return self._files.cat_file(path).decode() if self._files.exists(path) else None

    def write_text(self, name: str, text: str) -> None:
        """Write the file `name` next to the rows, where the next run finds it from any machine."""
        self._write(f"{self._root}/{name}", text.encode())

    def _store_lines(self, lines: bytes, name: str) -> tuple[int, int, int]:
        """Store `lines`, and return the counts of `Collected`."""
        table, unreadable = log_rows.parse(lines, self._row)
        is_own = pc.starts_with(table[KEY[0]], SYNTHETIC_ID_PREFIX)
        traffic = table.filter(pc.invert(is_own))
        days = pc.strftime(traffic[TIME], "%Y-%m-%d")
        for day in pc.unique(days).to_pylist():
            buffer = pa.BufferOutputStream()
            pq.write_table(traffic.filter(pc.equal(days, day)), buffer, compression="zstd")
            self._write(f"{self._root}/day={day}/{name}.parquet", buffer.getvalue().to_pybytes())
        return len(traffic), unreadable, len(table) - len(traffic)

    def _part(self, path: str, start: datetime, end: datetime, fraction: float) -> pa.Table:
        with self._files.open(path, "rb") as file:
            table = _with_prefix(pq.read_table(file, partitioning=None))
        first, last = (pa.scalar(bound, table[TIME].type) for bound in (start, end))
        table = table.filter(pc.and_(pc.greater_equal(table[TIME], first), pc.less(table[TIME], last)))
        if fraction >= 1:
            return table
        return table.take(np.flatnonzero(np.random.default_rng(0).random(len(table)) < fraction))

    def _count(self, path: str) -> int:
        with self._files.open(path, "rb") as file:
            return int(pq.read_metadata(file).num_rows)

    def _parts(self, day: str) -> list[str]:
        return sorted(self._files.glob(f"{self._root}/day={day}/*.parquet"))

    def _cursor(self) -> dict[str, int]:
        offsets: dict[str, int] = json.loads(self.read_text(CURSOR_FILE) or "{}")
        return offsets

    def _write(self, path: str, content: bytes) -> None:
        """Write a file atomically."""
        if "file" in self._files.protocol:
            write_bytes(Path(path), content)
            return
        with self._files.transaction, self._files.open(path, "wb") as file:
            file.write(content)


def of_environment(place: Place, row: type[BaseModel]) -> Collection:
    """Open the collection of an environment: in $SLIPWAY_COLLECTED if set, else next to its agent."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Collection(f"{folder.rstrip('/')}/{place.environment}" if folder else str(place.collected), row)


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    if service := buckets.service_of(url):
        service.require()

    try:
        files, root = fsspec.core.url_to_fs(url, **({} if "://" in url else {"auto_mkdir": True}))
    except (ImportError, ValueError) as error:
        raise SettingError(f"{FOLDER_VARIABLE}={url}: {error}; set a folder, or s3://BUCKET/FOLDER") from None
    files.invalidate_cache()
    return files, root


def _with_prefix(table: pa.Table) -> pa.Table:
    """Return a part of an earlier version with the names of `LOGGED`, which were its first columns without prefix."""
    if TIME in table.column_names:
        return table
    plain = {column.removeprefix(PREFIX): column for column in LOGGED}
    return table.rename_columns([plain.get(name, name) for name in table.column_names])


def _chunks(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the content of each chunk of complete lines from `start` on.

    A last line without a newline is still being written, and is left for the next run.
    """
    with path.open("rb") as file:
        while True:
            file.seek(start)
            lines = file.read(CHUNK_BYTES)
            lines = lines[: lines.rfind(b"\n") + 1]
            if not lines:
                return
            yield start, lines
            start += len(lines)


def _days(start: datetime, end: datetime) -> Iterator[str]:
    day = start.astimezone(UTC).date()
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < end:
        yield day.isoformat()
        day += timedelta(days=1)
