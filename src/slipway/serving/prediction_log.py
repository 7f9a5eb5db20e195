"""Prediction log: one JSON line per predicted row, which monitoring collects.

    {"release":"v1.2.3","time":"2026-01-31T12:00:00.123+00:00","request_id":"…","index":0,"row":{…},"prediction":0.18}

During an experiment by user, the row also has `"unit"`, the experiment and the pseudonym of the user.

Requests append to a bounded queue, which a thread writes ten times a second. Rows that exceed the queue or the disk are
counted and dropped, so that the log never delays or fails a request.

Each process appends to its own files, whose names contain UTC time and process id. A file is never rewritten, and its
name is never reused, so that a reader only has to store its position.
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

from slipway.schema.fields import fields
from slipway.serving import column_text, columnar
from slipway.serving.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

logger = logging.getLogger(__name__)
FOLDER_VARIABLE = "SLIPWAY_PREDICTIONS"
"""Environment variable with the folder; if it is not set, nothing is logged."""
WRITE_INTERVAL_SECONDS = 0.1  # a killed process loses the rows of at most this time
DAY_SECONDS = 86_400.0
RETRY_SECONDS = 10.0  # after a failed write
STOP_TIMEOUT_SECONDS = 2.0  # for a stopping process to write the last lines
BATCH_BYTES = 100_000  # of bodies formatted without a break; takes 0.2 ms, after which requests have priority
OVERHEAD_BYTES = 500  # memory of an entry of the queue in addition to its body


class PredictionLogger:
    """Writes the predictions of one process to `folder`.

    `settings` is the section `serving.prediction_log` of params.yaml. `count(outcome, rows)` counts the rows by
    outcome.
    """

    def __init__(
        self,
        folder: Path,
        release: str,
        row: type[BaseModel],
        settings: Mapping[str, Any],
        count: Callable[[str, int], None],
    ) -> None:
        self._files = RotatingFiles(folder, settings["file_bytes"], settings["files"], settings.get("retention_days"))
        self._release = b'{"release":%s,"time":"' % to_json(release)
        self._second, self._head = 0, b""
        self._blank = dict.fromkeys(redacted(row))
        self._sample, self._queue_bytes, self._count = settings["sample"], settings["queue_bytes"], count
        self._rate = RateLimit(settings["rows_a_second"])
        self._queue: deque[tuple[float, bytes, bytes | bytearray, list[Any], bytes]] = deque()
        self._offered = self._taken = 0  # bytes; each is changed by one thread only
        self._retry_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def offer(self, request_id: bytes, body: bytes | bytearray, predictions: list[Any], unit: bytes = b"") -> None:
        """Queue the predictions for `body`, valid rows in any format; drop them if the queue is full."""
        if len(predictions) == 1 and not self._is_sampled():
            return
        if not self._rate.passes(len(predictions)):
            self._count("too_many", len(predictions))
            return
        size = len(body) + OVERHEAD_BYTES
        if self._offered - self._taken + size > self._queue_bytes:
            self._count("queue_full", len(predictions))
            return
        self._offered += size
        self._queue.append((time.time(), request_id, body, predictions, unit))

    def close(self) -> None:
        """Write the queue, and stop."""
        self._stopped.set()
        self._thread.join(STOP_TIMEOUT_SECONDS)

    def _is_sampled(self) -> bool:
        return bool(self._sample >= 1 or random.random() < self._sample)  # noqa: S311  sampling needs no secure randomness

    def _run(self) -> None:
        while not self._stopped.wait(WRITE_INTERVAL_SECONDS):
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
                self._count("write_failed", sum(len(predictions) for _, _, _, predictions, _ in batch))
                logger.exception("%d requests are missing from the prediction log", len(batch))

    def _lines(
        self, at: float, request_id: bytes, body: bytes | bytearray, predictions: list[Any], unit: bytes
    ) -> list[bytes]:
        own = b'","unit":"%s' % unit if unit else b""
        head = b'%s.%03d+00:00","request_id":"%s%s","index":' % (
            self._head_for(int(at)),
            at % 1 * 1000,
            request_id,
            own,
        )
        rows = self._rows(_on_one_line(body), len(predictions))
        if len(rows) == 1:
            return [b'%s0,"row":%s,"prediction":%s}\n' % (head, rows[0], to_json(predictions[0]))]
        return [
            b'%s%d,"row":%s,"prediction":%s}\n' % (head, index, row, prediction)
            for index, (row, prediction) in enumerate(zip(rows, _as_json(predictions), strict=True))
            if self._sample >= 1 or self._is_sampled()
        ]

    def _head_for(self, second: int) -> bytes:
        """Return the start of every line of a second."""
        if second != self._second:
            moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second, self._head = second, self._release + moment.encode()
        return self._head

    def _rows(self, body: bytes | bytearray, number: int) -> Sequence[bytes | bytearray]:
        """Return the JSON of each row: its received bytes if possible, which takes less than half the time."""
        if self._blank:
            return [to_json(row | self._blank) for row in _parsed(body)]
        if columnar.START.match(body):
            return column_text.rows(body, number) or [to_json(row) for row in _parsed(body)]
        if body.startswith(b"{"):
            return [body]
        if body.count(b"{") == number == body.count(b"}"):  # no string contains a brace
            return [chunk[chunk.index(b"{") :] + b"}" for chunk in body.split(b"}")[:number]]
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
            logger.warning("%s=%s: %s; predictions are not logged", FOLDER_VARIABLE, self._files.folder, error.strerror)


def _as_json(predictions: list[Any]) -> list[bytes]:
    """Return the JSON of each prediction; of numbers in one call, which takes a fifth of the time."""
    if isinstance(predictions[0], float):
        return to_json(predictions)[1:-1].split(b",")
    return [to_json(prediction) for prediction in predictions]


def _on_one_line(body: bytes | bytearray) -> bytes | bytearray:
    # JSON strings contain no raw line breaks, so line breaks are between tokens.
    return body.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in body or b"\r" in body else body


def _parsed(body: bytes | bytearray) -> list[dict[str, Any]]:
    content = from_json(body)
    if columnar.START.match(body):
        columns = content["columns"]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return content if isinstance(content, list) else [content]


class RotatingFiles:
    """Appends whole lines to files of this process; rotates at `file_bytes` and keeps the newest `files`.

    With `retention_days`, a file is rotated after a day, too, and files that were last written before that are deleted.
    """

    def __init__(self, folder: Path, file_bytes: int, files: int, retention_days: float | None = None) -> None:
        self.folder = folder
        self._file_bytes, self._files_max, self._retention_days = file_bytes, files, retention_days
        self._file: int | None = None
        self._size = 0
        self._begun = 0.0
        """Time of the current file."""

    def append(self, lines: bytes) -> None:
        """Append `lines`, all or none. Raises OSError."""
        file = self._file
        is_full = self._size + len(lines) > self._file_bytes or self._is_a_day_old()
        if file is None or is_full or not os.fstat(file).st_nlink:
            file = self._begin()
        try:
            written = 0
            while written < len(lines):
                written += os.write(file, lines[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, self._size)  # readers must see whole lines only
            self._end()
            raise
        self._size += len(lines)

    def _is_a_day_old(self) -> bool:
        return self._retention_days is not None and time.time() - self._begun > DAY_SECONDS

    def _begin(self) -> int:
        self._end()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"predictions-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        for old in sorted(self.folder.glob("predictions-*.jsonl"))[: -self._files_max]:
            old.unlink(missing_ok=True)
        self._begun = time.time()
        delete_expired(self.folder, self._retention_days)
        return self._file

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._size = None, 0


def delete_expired(folder: Path, retention_days: float | None) -> int:
    """Delete the log files whose last line is older than `retention_days`, and return their number; None keeps all."""
    if retention_days is None:
        return 0
    last, expired = time.time() - retention_days * DAY_SECONDS, 0
    for path in folder.glob("predictions-*.jsonl"):
        with suppress(FileNotFoundError):  # another process rotates its files
            if path.stat().st_mtime < last:
                path.unlink()
                expired += 1
    return expired


def redacted(row: type[BaseModel]) -> list[str]:
    """Return the fields of `row` with `json_schema_extra={"redact": True}`, which the log replaces by null."""
    return [field.name for field in fields(row).values() if field.redact]


def from_environment(
    release: str, row: type[BaseModel], settings: Mapping[str, Any], count: Callable[[str, int], None]
) -> PredictionLogger | None:
    """Return the log in the folder $SLIPWAY_PREDICTIONS, or None if that is not set."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return PredictionLogger(Path(folder), release, row, settings, count) if folder else None
