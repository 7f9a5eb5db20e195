"""With and without: every metric week by week, and the difference over all rows with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import metrics
from slipway.monitoring import segments
from slipway.monitoring.questions import performance
from slipway.replay.stream import times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.replay.life import Life
    from slipway.replay.stream import Stream

WEEK = 7  # days
BATCH = 50  # resamples weighted at once


@dataclass(frozen=True)
class Labelled:
    """The rows that were served and have a label."""

    y: np.ndarray
    places: np.ndarray
    """Of them, among all that were served."""
    weeks: np.ndarray
    blocks: np.ndarray

    @classmethod
    def of(cls, stream: Stream, classes: Sequence[Any], hours: float) -> Labelled:
        """Of a stream from its begin on."""
        served = stream.rows.iloc[stream.place(stream.begin) :]
        places = np.flatnonzero(served[problem.TARGET].notna())
        rows, when = served.iloc[places], times(served).iloc[places]
        weeks = ((when - stream.begin).dt.total_seconds() // (WEEK * 86_400)).to_numpy(dtype=int)
        weeks = weeks.clip(max=max(1, len(stream.days) // WEEK) - 1)  # the days that are left over count with the last
        return cls(segments.targets(rows, list(classes)), places, weeks, performance.blocks_of(when, hours))


def by_week(labelled: Labelled, lives: Sequence[Life], primary: str) -> list[dict[str, Any]]:
    """The primary metric of each policy, and how many rows it is of, for each week."""
    metric = metrics.primary(problem.TASK, primary)
    rows = []
    for week in np.unique(labelled.weeks):
        chosen = labelled.weeks == week
        y, places = labelled.y[chosen], labelled.places[chosen]
        values = {life.policy: metric.value(y, life.served[places]) for life in lives}
        rows.append({"week": int(week), "rows": len(y), "values": values})
    return rows


def gains(labelled: Labelled, new: Life, old: Life, params: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By how much `new` was better than `old`, by metric: paired, with blocks of hours drawn."""
    found = {}
    for metric in metrics.for_task(problem.TASK).values():
        sides = [metric.on(labelled.y, life.served[labelled.places]) for life in (new, old)]
        once = np.ones((len(labelled.y), 1))
        drawn = [sides[0](weights) - sides[1](weights) for weights in _weights(labelled.blocks, params)]
        confidence = params["monitoring"]["confidence"]
        ends = np.quantile(metric.gain(np.concatenate(drawn)), [(1 - confidence) / 2, (1 + confidence) / 2])
        value = float(metric.gain(sides[0](once) - sides[1](once))[0])
        found[metric.name] = {"value": value, "low": float(ends[0]), "high": float(ends[1])}
    return found


def _weights(blocks: np.ndarray, params: Mapping[str, Any]) -> Any:
    """Batches of weights, shape (rows, at most BATCH): rows of one block are drawn together."""
    random, count = np.random.default_rng(params["seed"]), blocks.max() + 1
    for start in range(0, params["monitoring"]["resamples"], BATCH):
        size = min(BATCH, params["monitoring"]["resamples"] - start)
        yield random.multinomial(count, np.full(count, 1 / count), size=size).T[blocks].astype(np.float64)
