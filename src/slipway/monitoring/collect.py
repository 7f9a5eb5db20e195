"""The prediction log of an environment, collected into Parquet by day: `day=2013-10-01/<log file>-<offset>.parquet`.

A log file only grows, so it is enough to remember how far each was read. A part is named by the place at which its
lines begin: a collector that was killed begins there again and replaces the part by one that holds the same lines, and
perhaps more. So no line is ever there twice. A line lands in the day of its own time, however late it is read.

The folder is local, or anything that fsspec opens: SLIPWAY_COLLECTED=s3://BUCKET/FOLDER.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slipway.delivery.load.traffic import SYNTHETIC_ID_PREFIX
from slipway.errors import UserError
from slipway.files import write_bytes
from slipway.monitoring import rows as log_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from slipway.delivery.home import Place

FOLDER = "SLIPWAY_COLLECTED"
"""Environment variable: folder or URL in which each environment has a folder of its own."""
CURSOR = "read.json"
CHUNK = 32_000_000  # bytes of a log that are parsed at a time, 70,000 rows of the sample; 300 MB of memory


@dataclass(frozen=True)
class Collected:
    """What a collection did."""

    rows: int
    unreadable: int
    """Lines that were none of the log's."""
    own: int
    """Rows of our own load tests, smoke tests and the like, left out: they are no traffic."""


class Collection:
    """Rows by day, at `url`."""

    def __init__(self, url: str, row: type[BaseModel]) -> None:
        self.url, self._row = url.rstrip("/"), row
        self._files, self._root = _open(self.url)

    def collect(self, logs: Path) -> Collected:
        """Take in what the log files in `logs` have that is new."""
        cursor, totals = self._cursor(), [0, 0, 0]
        there = sorted(logs.glob("predictions-*.jsonl"))
        read = {path.name: cursor.get(path.name, 0) for path in there}
        for path in there:
            for start, lines in _chunks(path, read[path.name]):
                for place, number in enumerate(self._take(lines, f"{path.stem}-{start}")):
                    totals[place] += number
                read[path.name] = start + len(lines)
                self.keep(CURSOR, json.dumps(read, indent=1))
        return Collected(*totals)

    def read(self, start: datetime, end: datetime, share: float = 1.0) -> pd.DataFrame:
        """Rows from `start` to before `end`, in the order of time; or a share of them, the same each time."""
        tables = [self._part(path, start, end, share) for day in _days(start, end) for path in self._parts(day)]
        found = pa.concat_tables(
            [table for table in tables if len(table)] or [log_rows.empty(self._row)], promote_options="permissive"
        )
        return log_rows.to_frame(found.sort_by("time"), self._row)

    def read_some(self, start: datetime, end: datetime, most: int) -> tuple[pd.DataFrame, float]:
        """As `read`, but about `most` rows at most, drawn evenly; and the share of all rows that they are."""
        counted = sum(self._count(path) for day in _days(start, end) for path in self._parts(day))
        share = min(1.0, most / max(1, counted))
        return self.read(start, end, share), share

    def days(self) -> list[str]:
        """Days of which there are rows, oldest first."""
        found = self._files.glob(f"{self._root}/day=*")
        return sorted(path.rsplit("=", 1)[-1] for path in found)

    def text(self, name: str) -> str | None:
        """What `keep` has put under `name`; None when there is nothing."""
        path = f"{self._root}/{name}"
        return self._files.cat_file(path).decode() if self._files.exists(path) else None

    def keep(self, name: str, text: str) -> None:
        """Put a text beside the rows, in place of what was there: the next look may come from another machine."""
        self._write(f"{self._root}/{name}", text.encode())

    def _take(self, lines: bytes, name: str) -> tuple[int, int, int]:
        table, unreadable = log_rows.parse(lines, self._row)
        ours = pc.starts_with(table["request_id"], SYNTHETIC_ID_PREFIX)
        kept = table.filter(pc.invert(ours))
        days = pc.strftime(kept["time"], "%Y-%m-%d")
        for day in pc.unique(days).to_pylist():
            buffer = pa.BufferOutputStream()
            pq.write_table(kept.filter(pc.equal(days, day)), buffer, compression="zstd")
            self._write(f"{self._root}/day={day}/{name}.parquet", buffer.getvalue().to_pybytes())
        return len(kept), unreadable, len(table) - len(kept)

    def _part(self, path: str, start: datetime, end: datetime, share: float) -> pa.Table:
        with self._files.open(path, "rb") as file:
            table = pq.read_table(file, partitioning=None)
        first, last = (pa.scalar(bound, table["time"].type) for bound in (start, end))
        table = table.filter(pc.and_(pc.greater_equal(table["time"], first), pc.less(table["time"], last)))
        return table if share >= 1 else table.take(np.flatnonzero(np.random.default_rng(0).random(len(table)) < share))

    def _count(self, path: str) -> int:
        with self._files.open(path, "rb") as file:
            return pq.read_metadata(file).num_rows

    def _parts(self, day: str) -> list[str]:
        return sorted(self._files.glob(f"{self._root}/day={day}/*.parquet"))

    def _cursor(self) -> dict[str, int]:
        return json.loads(self.text(CURSOR) or "{}")

    def _write(self, path: str, content: bytes) -> None:
        """Write a file as a whole or not at all, so that a reader never sees half of it."""
        if "file" in self._files.protocol:
            write_bytes(Path(path), content)
            return
        with self._files.transaction, self._files.open(path, "wb") as file:
            file.write(content)


def of_environment(place: Place, row: type[BaseModel]) -> Collection:
    """The collection of an environment: in $SLIPWAY_COLLECTED, else beside its agent."""
    folder = os.environ.get(FOLDER)
    return Collection(f"{folder.rstrip('/')}/{place.environment}" if folder else str(place.collected), row)


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(url, **({} if "://" in url else {"auto_mkdir": True}))
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{FOLDER}={url}: {error}; a folder, or s3://BUCKET/FOLDER after `uv sync --group s3`"
        ) from None
    files.invalidate_cache()
    return files, root


def _chunks(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines from `start` on, with where they begin. A line without an end is still being written."""
    with path.open("rb") as file:
        while True:
            file.seek(start)
            lines = file.read(CHUNK)
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
