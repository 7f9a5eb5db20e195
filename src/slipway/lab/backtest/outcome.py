"""The comparison of policies: every metric week by week, and the difference over all rows with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway.evaluation import bootstrap, metrics
from slipway.lab.backtest.replay_result import ReplayedWeek
from slipway.lab.backtest.stream import times
from slipway.monitoring import segments
from slipway.monitoring.checks import performance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.evaluation.compared import Interval
    from slipway.lab.backtest.life import Simulation
    from slipway.lab.backtest.stream import Timeline
    from slipway.settings import Settings

WEEK_DAYS = 7


@dataclass(frozen=True)
class LabeledRows:
    """The served rows that have a label."""

    y: np.ndarray
    places: np.ndarray
    """Their positions among all served rows."""
    weeks: np.ndarray
    blocks: np.ndarray
    """Number of the bootstrap block of each row."""

    @classmethod
    def of(cls, timeline: Timeline, classes: Sequence[Any], hours: float) -> LabeledRows:
        """Return the labeled rows of a timeline; a bootstrap block takes `hours`."""
        served = timeline.rows.iloc[timeline.place(timeline.begin) :]
        places = np.flatnonzero(served[problem.TARGET].notna())
        rows, when = served.iloc[places], times(served).iloc[places]
        weeks = ((when - timeline.begin).dt.total_seconds() // (WEEK_DAYS * 86_400)).to_numpy(dtype=int)
        weeks = weeks.clip(max=max(1, len(timeline.days) // WEEK_DAYS) - 1)  # the last week takes the remaining days
        return cls(segments.targets(rows, classes), places, weeks, performance.blocks_of(when, hours))


def by_week(labeled: LabeledRows, simulations: Sequence[Simulation], primary: str) -> list[ReplayedWeek]:
    """Return the number of rows and the primary metric of each policy for each week."""
    metric = metrics.primary(problem.TASK, primary)
    weeks = []
    for week in np.unique(labeled.weeks):
        chosen = labeled.weeks == week
        y, places = labeled.y[chosen], labeled.places[chosen]
        values = {simulation.policy: metric.value(y, simulation.served[places]) for simulation in simulations}
        weeks.append(ReplayedWeek(week=int(week), rows=len(y), values=values))
    return weeks


def gains(labeled: LabeledRows, new: Simulation, old: Simulation, settings: Settings) -> dict[str, Interval]:
    """Return the gain of `new` over `old` by metric, with the interval of a paired block bootstrap."""
    gains_by_metric, limits = {}, settings.monitoring
    for metric in metrics.for_task(problem.TASK).values():
        on_new, on_old = (metric.on(labeled.y, simulation.served[labeled.places]) for simulation in (new, old))
        once = np.ones((len(labeled.y), 1))
        batches = bootstrap.block_weights(labeled.blocks, limits.resamples, settings.seed)
        drawn = metric.gain(np.concatenate([on_new(weights) - on_old(weights) for weights in batches]))
        value = float(metric.gain(on_new(once) - on_old(once))[0])
        gains_by_metric[metric.name] = bootstrap.interval(value, drawn, limits.confidence)
    return gains_by_metric
