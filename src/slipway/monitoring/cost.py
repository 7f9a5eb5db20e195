"""What a look costs: `python -m slipway.monitoring.cost 1000000` writes a day's log of so many rows, and looks at it.

Rows are those of the test set, over and over, each with a little noise of its own in the numbers that may have
fractions, with the answers of the release that is trained here, and with a label for most.
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
from slipway.monitoring import power
from slipway.monitoring.assess import assess
from slipway.monitoring.collect import Collection
from slipway.monitoring.memory import Memory
from slipway.monitoring.reference import predict
from slipway.monitoring.window import LiveWindow, logged

if TYPE_CHECKING:
    from slipway.monitoring.reference import Reference

PART = 50_000  # rows written at a time


def write_log(folder: Path, reference: Reference, count: int, seed: int) -> pd.DataFrame:
    """Write a day's log, and return its labels."""
    folder.mkdir(parents=True)
    labels, step = [], timedelta(days=1) / count
    start = power.start_after(reference)
    for begin in range(0, count, PART):
        rows = _part(reference, min(PART, count - begin), seed + begin)
        ids = [f"row-{begin + place}" for place in range(len(rows))]
        said = logged(predict(reference.model, rows), reference.model.signature)
        lines = rows[list(problem.Row.model_fields)].to_json(orient="records", lines=True).splitlines()
        with (folder / "predictions-1.jsonl").open("a", encoding="utf-8") as file:
            for place, (one, row, answer) in enumerate(zip(ids, lines, said, strict=True)):
                time = (start + (begin + place) * step).isoformat(timespec="milliseconds")
                head = f'{{"release":"{power.RELEASE}","time":"{time}","request_id":"{one}","index":0'
                file.write(f'{head},"row":{row},"prediction":{json.dumps(answer)}}}\n')
        labels.append(pd.DataFrame({"request_id": ids, problem.TARGET: rows[problem.TARGET]}))
    return pd.concat(labels, ignore_index=True)


def _part(reference: Reference, size: int, seed: int) -> pd.DataFrame:
    """Rows of the test set, no two alike where a number may have fractions."""
    rows = reference.test.sample(size, replace=True, random_state=seed).reset_index(drop=True)
    random = np.random.default_rng(seed)
    floats = [name for name in problem.Row.model_fields if pd.api.types.is_float_dtype(rows[name])]
    return rows.assign(**{name: (rows[name] * (1 - 1e-4 * random.random(size))).round(5) for name in floats})


def main(count: int) -> None:
    """Write, collect, read and assess, and say how long each took and how much memory all of it."""
    reference, params = power.release_here()
    with TemporaryDirectory() as scratch:
        labels = write_log(Path(scratch) / "predictions", reference, count, params["seed"])
        clock = _Clock()
        collection = Collection(f"{scratch}/collected", problem.Row)
        collected = collection.collect(Path(scratch) / "predictions")
        clock.lap(f"collected {collected.rows:,} rows")
        start = power.start_after(reference)
        end = start + timedelta(days=1)
        window = LiveWindow(start, end, collection.read(start, end), None, labels)
        clock.lap("read them")
        reference.expectation(window.days)
        clock.lap("learned what to expect of a day")
        found = assess(window, reference, Memory(), params)
        clock.lap(f"asked {len(found.verdicts)} questions")
    clock.total()


class _Clock:
    """Laps, in seconds and in seconds of the processor."""

    def __init__(self) -> None:
        self._start = self._last = (time.monotonic(), time.process_time())

    def lap(self, what: str) -> None:
        """Say how long it took since the last."""
        now = time.monotonic(), time.process_time()
        print(f"{what}: {now[0] - self._last[0]:.1f} s, of the processor {now[1] - self._last[1]:.1f} s", flush=True)
        self._last = now

    def total(self) -> None:
        """Say how long all took, and the most memory."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        seconds, cpu = time.monotonic() - self._start[0], time.process_time() - self._start[1]
        print(f"in all: {seconds:.1f} s, of the processor {cpu:.1f} s, {peak:.2f} GB at most")


if __name__ == "__main__":
    main(int(sys.argv[1]))
