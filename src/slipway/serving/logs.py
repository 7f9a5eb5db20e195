"""Log of a worker on stderr as JSON lines, written by a thread so that a slow reader delays no request."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from queue import Full, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUED_LINES_MAX = 1000  # more are dropped and counted
STOP_TIMEOUT_SECONDS = 1.0  # for a stopping process to write the last lines
FLUSH_POLL_SECONDS = 0.001
BENTOML_LOGGERS = ("bentoml", "circus", "uvicorn.error")  # to which BentoML has added handlers


def configure(release: str, dropped: Callable[[], None]) -> None:
    """Write all log records of this process as JSON lines, and call `dropped` for each line that exceeds the queue."""
    queue: Queue[logging.LogRecord] = Queue(QUEUED_LINES_MAX)
    for name in BENTOML_LOGGERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger().handlers[:] = [_Bounded(queue, dropped)]
    logging.getLogger("slipway").setLevel(logging.INFO)
    threading.Thread(target=_write, args=(queue, JsonLines(release)), name="log", daemon=True).start()


class JsonLines(logging.Formatter):
    """Formats a record as a JSON object that includes the members of its `fields`."""

    def __init__(self, release: str) -> None:
        super().__init__()
        self._release = release

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "release": self._release,
            "process": os.getpid(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class RateLimit:
    """Rate limiter that allows `limit` events per second."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = self._passed = 0

    def passes(self, number: int = 1) -> bool:
        """Return whether `number` more events are within the limit of the current second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += number
        return self._passed <= self._limit


class _Bounded(QueueHandler):
    def __init__(self, queue: Queue[logging.LogRecord], dropped: Callable[[], None]) -> None:
        super().__init__(queue)
        self._lines, self._dropped = queue, dropped

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record unchanged; the writer thread formats it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Add the record, or drop it if the queue is full."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self._dropped()

    def flush(self) -> None:
        """Wait until the lines are written, as logging does at process exit, for STOP_TIMEOUT_SECONDS at most."""
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(FLUSH_POLL_SECONDS)


def _write(queue: Queue[logging.LogRecord], lines: JsonLines) -> None:
    # Not a StreamHandler: without a reader, it would never release a lock that logging acquires at process exit.
    while True:
        line = lines.format(queue.get()).encode() + b"\n"
        with suppress(OSError):
            while line:
                line = line[os.write(2, line) :]
        queue.task_done()
