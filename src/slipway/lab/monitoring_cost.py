"""The benchmark of one assessment.

`python -m slipway.lab.monitoring_cost 1000000` assesses a day's log of 1,000,000 rows.

The rows are resampled from the test set, with a little noise in the columns that may have fractions. The predictions
are those of the release trained here, and most rows have a label.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway import output
from slipway.lab import monitoring_power
from slipway.monitoring.alarm_state import MonitorState
from slipway.monitoring.assess import assess
from slipway.monitoring.collect import Collection
from slipway.monitoring.reference import predict
from slipway.monitoring.window import LiveWindow, logged

if TYPE_CHECKING:
    from slipway.monitoring.reference import Reference

CHUNK_ROWS = 50_000  # written at a time


def write_log(folder: Path, reference: Reference, count: int, seed: int) -> pd.DataFrame:
    """Write a day's prediction log of `count` rows into `folder`, and return its labels."""
    folder.mkdir(parents=True)
    labels, step = [], timedelta(days=1) / count
    start = monitoring_power.start_after(reference)
    for begin in range(0, count, CHUNK_ROWS):
        rows = _resampled(reference, min(CHUNK_ROWS, count - begin), seed + begin)
        ids = [f"row-{begin + place}" for place in range(len(rows))]
        predictions = logged(predict(reference.model, rows), reference.model.signature)
        lines = rows[list(problem.Row.model_fields)].to_json(orient="records", lines=True).splitlines()
        with (folder / "predictions-1.jsonl").open("a", encoding="utf-8") as file:
            for place, (request_id, row, prediction) in enumerate(zip(ids, lines, predictions, strict=True)):
                time = (start + (begin + place) * step).isoformat(timespec="milliseconds")
                head = f'{{"release":"{monitoring_power.RELEASE}","time":"{time}","request_id":"{request_id}","index":0'
                file.write(f'{head},"row":{row},"prediction":{json.dumps(prediction)}}}\n')
        labels.append(pd.DataFrame({"request_id": ids, problem.TARGET: rows[problem.TARGET]}))
    return pd.concat(labels, ignore_index=True)


def _resampled(reference: Reference, size: int, seed: int) -> pd.DataFrame:
    """Return resampled test rows, made distinct by noise in the float columns."""
    rows = reference.test.sample(size, replace=True, random_state=seed).reset_index(drop=True)
    random = np.random.default_rng(seed)
    floats = [name for name in problem.Row.model_fields if pd.api.types.is_float_dtype(rows[name])]
    return rows.assign(**{name: (rows[name] * (1 - 1e-4 * random.random(size))).round(5) for name in floats})


def main(count: int) -> None:
    """Write, collect, read and assess `count` rows; print the time of each step and the peak memory."""
    reference, settings = monitoring_power.release_here()
    with TemporaryDirectory() as scratch:
        labels = write_log(Path(scratch) / "predictions", reference, count, settings.seed)
        clock = _Clock()
        collection = Collection(f"{scratch}/collected", problem.Row)
        collected = collection.collect(Path(scratch) / "predictions")
        clock.lap(f"collected {collected.rows:,} rows")
        start = monitoring_power.start_after(reference)
        end = start + timedelta(days=1)
        window = LiveWindow(start, end, collection.read(start, end), None, labels)
        clock.lap("read the rows")
        reference.expectation(window.days, settings.window_limits)
        clock.lap("learned the expectation for a day")
        assessment = assess(window, reference, MonitorState(), settings)
        clock.lap(f"ran {len(assessment.verdicts)} checks")
    clock.total()


class _Clock:
    """A stopwatch for wall-clock and CPU seconds."""

    def __init__(self) -> None:
        self._start = self._last = (time.monotonic(), time.process_time())

    def lap(self, step: str) -> None:
        """Print the time since the last lap."""
        now = time.monotonic(), time.process_time()
        output.step(f"{step}: {now[0] - self._last[0]:.1f} s, CPU {now[1] - self._last[1]:.1f} s")
        self._last = now

    def total(self) -> None:
        """Print the total time and the peak memory."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        seconds, cpu = time.monotonic() - self._start[0], time.process_time() - self._start[1]
        output.result_line(f"total: {seconds:.1f} s, CPU {cpu:.1f} s, peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main(int(sys.argv[1]))
