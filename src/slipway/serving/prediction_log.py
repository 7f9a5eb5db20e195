"""The prediction log: a JSON object a line for each row that was answered, for monitoring to collect.

    {"release":"v1.2.3","time":"2026-01-31T12:00:00.123+00:00","request_id":"…","index":0,"row":{…},"prediction":0.18}

Requests only append to a queue of bounded size. A thread writes what is in it ten times a second; what does not fit in
the queue or on the disk is counted and left out, so the log can neither slow nor fail a request.

Each process appends to files of its own, named by UTC time and process: a file is never written to by another, never
rewritten, and its name never used again, so a reader need only remember how far it has read.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from slipway.serving import columnar
from slipway.serving.logs import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

logger = logging.getLogger(__name__)
FOLDER = "SLIPWAY_PREDICTIONS"
"""Environment variable that names the folder; unset, nothing is logged."""
PAUSE_SECONDS = 0.1  # between two writes; the longest time that a killed process loses
RETRY_SECONDS = 10.0  # until a folder that could not be written is tried again
STOP_SECONDS = 2.0  # that a stopping process waits for the last lines
BATCH_BYTES = 100_000  # of bodies turned into lines at a time; 0.2 ms, after which requests come first again
OVERHEAD_BYTES = 500  # of memory that an entry of the queue takes beside the body


class PredictionLog:
    """Writes the predictions of one process to `folder`.

    `settings` are {"sample": share of rows, "rows_a_second": at most, "queue_bytes", "file_bytes", "files": kept}.
    `count(outcome, rows)` is told what became of the rows.
    """

    def __init__(
        self,
        folder: Path,
        release: str,
        row: type[BaseModel],
        settings: Mapping[str, Any],
        count: Callable[[str, int], None],
    ) -> None:
        self._files = Files(folder, settings["file_bytes"], settings["files"])
        self._release = b'{"release":%s,"time":"' % to_json(release)
        self._second, self._head = 0, b""
        self._blank = dict.fromkeys(redacted(row))
        self._sample, self._queue_bytes, self._count = settings["sample"], settings["queue_bytes"], count
        self._rate = Rate(settings["rows_a_second"])
        self._queue: deque[tuple[float, bytes, bytes | bytearray, list[Any]]] = deque()
        self._offered = self._taken = 0  # bytes; each is changed by one thread only
        self._retry_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def offer(self, request_id: bytes, body: bytes | bytearray, predictions: list[Any]) -> None:
        """Log what was answered to `body`, valid rows in any form; forget it where the queue is full."""
        if len(predictions) == 1 and not self._drawn():
            return
        if not self._rate.passes(len(predictions)):
            self._count("too_many", len(predictions))
            return
        size = len(body) + OVERHEAD_BYTES
        if self._offered - self._taken + size > self._queue_bytes:
            self._count("queue_full", len(predictions))
            return
        self._offered += size
        self._queue.append((time.time(), request_id, body, predictions))

    def close(self) -> None:
        """Write what is in the queue, and stop."""
        self._stopped.set()
        self._thread.join(STOP_SECONDS)

    def _drawn(self) -> bool:
        return self._sample >= 1 or random.random() < self._sample  # noqa: S311  a sample is no secret

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            self._write_queue()
        self._write_queue()

    def _write_queue(self) -> None:
        while self._queue:
            batch, size = [], 0
            while self._queue and size < BATCH_BYTES:
                batch.append(self._queue.popleft())
                size += len(batch[-1][2]) + OVERHEAD_BYTES
            self._taken += size
            try:
                self._write([line for entry in batch for line in self._lines(*entry)])
            except Exception:
                self._count("write_failed", sum(len(predictions) for _, _, _, predictions in batch))
                logger.exception("%d requests are missing in the prediction log", len(batch))

    def _lines(self, at: float, request_id: bytes, body: bytes | bytearray, predictions: list[Any]) -> list[bytes]:
        head = b'%s.%03d+00:00","request_id":"%s","index":' % (self._until(int(at)), at % 1 * 1000, request_id)
        rows = self._rows(_on_one_line(body), len(predictions))
        if len(rows) == 1:
            return [b'%s0,"row":%s,"prediction":%s}\n' % (head, rows[0], to_json(predictions[0]))]
        return [
            b'%s%d,"row":%s,"prediction":%s}\n' % (head, index, row, to_json(prediction))
            for index, (row, prediction) in enumerate(zip(rows, predictions, strict=True))
            if self._drawn()
        ]

    def _until(self, second: int) -> bytes:
        """How all lines of a second begin."""
        if second != self._second:
            moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second, self._head = second, self._release + moment.encode()
        return self._head

    def _rows(self, body: bytes | bytearray, number: int) -> list[bytes | bytearray]:
        """The JSON of each row: its bytes as they came where that is enough, which takes half of the time."""
        if self._blank or columnar.START.match(body):
            return [to_json(row | self._blank) for row in _parsed(body)]
        if body.startswith(b"{"):
            return [body]
        if body.count(b"{") == number == body.count(b"}"):  # so there is no brace in a text
            return [part[part.index(b"{") :] + b"}" for part in body.split(b"}")[:number]]
        return [to_json(row) for row in _parsed(body)]

    def _write(self, lines: list[bytes]) -> None:
        if time.monotonic() < self._retry_at:
            self._count("write_failed", len(lines))
            return
        try:
            self._files.append(b"".join(lines))
            self._count("written", len(lines))
        except OSError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._count("write_failed", len(lines))
            logger.warning("%s=%s: %s; predictions are not logged", FOLDER, self._files.folder, error.strerror)


def _on_one_line(body: bytes | bytearray) -> bytes | bytearray:
    # In the texts of JSON there are no line breaks, so these stand between its tokens.
    return body.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in body or b"\r" in body else body


def _parsed(body: bytes | bytearray) -> list[dict[str, Any]]:
    content = from_json(body)
    if columnar.START.match(body):
        columns = content["columns"]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return content if isinstance(content, list) else [content]


class Files:
    """Appends whole lines to a file of this process, begins the next at `file_bytes`, and keeps the newest `files`."""

    def __init__(self, folder: Path, file_bytes: int, files: int) -> None:
        self.folder = folder
        self._file_bytes, self._keep = file_bytes, files
        self._file: int | None = None
        self._size = 0

    def append(self, lines: bytes) -> None:
        """Append `lines`. Raises OSError, and then has written none of them."""
        if self._file is None or self._size + len(lines) > self._file_bytes or not os.fstat(self._file).st_nlink:
            self._begin()
        try:
            written = 0
            while written < len(lines):
                written += os.write(self._file, lines[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)  # readers must find whole lines
            self._end()
            raise
        self._size += len(lines)

    def _begin(self) -> None:
        self._end()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"predictions-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        for old in sorted(self.folder.glob("predictions-*.jsonl"))[: -self._keep]:
            old.unlink(missing_ok=True)

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._size = None, 0


def redacted(row: type[BaseModel]) -> list[str]:
    """Fields that `row` marks with `json_schema_extra={"redact": True}`; the log has null in their place."""
    fields = row.model_json_schema()["properties"]
    return [
        name for name, field in fields.items() if any(part.get("redact") for part in (field, *field.get("anyOf", ())))
    ]


def from_environment(
    release: str, row: type[BaseModel], settings: Mapping[str, Any], count: Callable[[str, int], None]
) -> PredictionLog | None:
    """The log in $SLIPWAY_PREDICTIONS, or None where that is not set."""
    folder = os.environ.get(FOLDER)
    return PredictionLog(Path(folder), release, row, settings, count) if folder else None
