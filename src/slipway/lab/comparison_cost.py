"""The benchmark of one comparison of two models.

`python -m slipway.lab.comparison_cost 26355 2000 20` compares two binary classifiers on 26,355 rows by all metrics, on
all rows and in 20 segments, with 2,000 resamples. Interleave runs of two versions to compare them.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from slipway import output
from slipway.evaluation import bootstrap, metrics
from slipway.evaluation.segments import ALL

POSITIVES = 0.18  # fraction
COLUMNS = 4  # that segment the rows; each row belongs to one segment of every column


def predictions(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets, and the predictions of a candidate and of a champion with ties, each of shape (rows,)."""
    random = np.random.default_rng(seed)
    y = (random.random(rows) < POSITIVES).astype(float)
    score = y + random.normal(size=rows)
    other = score + random.normal(scale=0.3, size=rows)
    return y, 1 / (1 + np.exp(-score)), np.round(1 / (1 + np.exp(-other)), 4)


def groups(rows: int, segments: int, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of all rows, and of those of each segment."""
    random, values = np.random.default_rng(seed), segments // COLUMNS
    labels = {column: random.integers(0, values, rows) for column in range(COLUMNS)}
    named = {
        f"{column}={value}": np.flatnonzero(labels[column] == value) for column in labels for value in range(values)
    }
    return {ALL: np.arange(rows), **named}


def main(rows: int, resamples: int, segments: int) -> None:
    """Compare, and print the seconds."""
    y, candidate, champion = predictions(rows, seed=1)
    places = groups(rows, segments, seed=2)
    wall, processor = time.perf_counter(), time.process_time()
    bootstrap.compare(
        y,
        candidate,
        champion,
        list(metrics.for_task("binary").values()),
        places,
        resamples=resamples,
        confidence=dict.fromkeys(places, 0.95),
        seed=1,
    )
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    output.result_line(f"{wall:.2f} s, {processor:.2f} s of processor time")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
