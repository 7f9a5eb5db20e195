"""What a worker says on stderr: a JSON object a line, written by a thread, so that a slow reader delays no request."""

from __future__ import annotations

import atexit
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

LINES = 1000  # that wait to be written; more are dropped, and counted
STOP_SECONDS = 1.0  # that a stopping process waits for the last lines
CONFIGURED = ("bentoml", "circus", "uvicorn.error")  # loggers to which BentoML has given handlers of its own


def configure(release: str, dropped: Callable[[], None]) -> None:
    """Write all logging of this process as JSON; call `dropped` for each line that finds no room."""
    queue: Queue[logging.LogRecord] = Queue(LINES)
    for name in CONFIGURED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger().handlers[:] = [_Bounded(queue, dropped)]
    logging.getLogger("slipway").setLevel(logging.INFO)
    threading.Thread(target=_write, args=(queue, JsonLines(release)), name="log", daemon=True).start()
    atexit.register(_wait_for, queue)


class JsonLines(logging.Formatter):
    """A record as a JSON object, with the members of its `fields` beside the usual ones."""

    def __init__(self, release: str) -> None:
        super().__init__()
        self._release = release

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
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


class Rate:
    """Lets `limit` things a second pass."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = self._passed = 0

    def passes(self, number: int = 1) -> bool:
        """Whether so many more may pass in this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += number
        return self._passed <= self._limit


class _Bounded(QueueHandler):
    def __init__(self, queue: Queue[logging.LogRecord], dropped: Callable[[], None]) -> None:
        super().__init__(queue)
        self._dropped = dropped

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the formatting to the thread that writes."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never wait."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self._dropped()


def _write(queue: Queue[logging.LogRecord], lines: JsonLines) -> None:
    # Not a StreamHandler: where nobody reads, it would hold a lock for ever that logging takes when the process ends.
    while True:
        line = lines.format(queue.get()).encode() + b"\n"
        with suppress(OSError):
            while line:
                line = line[os.write(2, line) :]
        queue.task_done()


def _wait_for(queue: Queue[logging.LogRecord]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while queue.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.01)
