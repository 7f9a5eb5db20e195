"""A window and the reference that it is held against, with what several questions need worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

import problem
from slipway.monitoring.window import scores
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.monitoring.expectation import Expectation, Key, Sample
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow


@dataclass(frozen=True)
class Look:
    """What every question is given. `params` is params.yaml, `limits` its section `monitoring`."""

    window: LiveWindow
    reference: Reference
    params: Mapping[str, Any]

    @property
    def limits(self) -> Mapping[str, Any]:
        """Section `monitoring` of params.yaml."""
        return self.params["monitoring"]

    @cached_property
    def hidden(self) -> list[str]:
        """Columns that the log leaves out."""
        return redacted(problem.Row)

    @cached_property
    def own(self) -> pd.DataFrame:
        """Rows that the release itself answered."""
        rows = self.window.rows
        return rows[rows["release"] == self.reference.promise.release]

    def few(self, rows: pd.DataFrame) -> str:
        """Why these rows are too few to ask; empty when they are not."""
        needed = self.limits["minimum_rows"]
        return "" if len(rows) >= needed else f"{len(rows):,} rows, {needed:,} are needed"

    @cached_property
    def expectation(self) -> Expectation:
        """Of windows as long as this one."""
        return self.reference.expectation(self.window.days)

    @cached_property
    def sample(self) -> Sample:
        """Of all rows."""
        return self._measured(self.window.rows)

    @cached_property
    def own_sample(self) -> Sample:
        """Of the rows that the release answered."""
        return self.sample if len(self.own) == len(self.window.rows) else self._measured(self.own)

    @cached_property
    def has_before(self) -> bool:
        """Whether the time before is long enough to have moved from: one day of it has one weekday only."""
        rows = self.window.before
        if rows is None or self.few(rows):
            return False
        return rows["time"].max() - rows["time"].min() > SPAN * (self.window.end - self.window.start)

    @cached_property
    def before(self) -> Sample:
        """Of the rows before; of the newest rows of the reference where too few are live yet."""
        return self._measured(self.window.before, errors=False) if self.has_before else self.expectation.recent()

    @cached_property
    def statistics(self) -> dict[Key, float]:
        """Of all rows."""
        return self.expectation.statistics(self.sample) | self.expectation.moved(self.sample, self.before)

    @cached_property
    def own_statistics(self) -> dict[Key, float]:
        """Of the rows that the release answered."""
        if self.own_sample is self.sample:
            return self.statistics
        return self.expectation.statistics(self.own_sample) | self.expectation.moved(self.own_sample, self.before)

    def beyond(self, statistics: Mapping[Key, float]) -> list[dict[str, Any]]:
        """Each statistic with how far it lies beyond what is expected, the furthest first."""
        ranges = self.expectation.ranges
        found = []
        for (what, column), value in statistics.items():
            if (what, column) in ranges:
                expected = ranges[what, column]
                slack = self.limits["slack"] * SLACK.get(what, 1)
                score = expected.excess(value, self.limits["headroom"], slack)
                found.append({"column": column, "what": what, "score": score, "value": value, **vars(expected)})
        return sorted(found, key=lambda one: -one["score"])

    def _measured(self, rows: pd.DataFrame, *, errors: bool = True) -> Sample:
        drawn = rows.sample(min(len(rows), self.limits["sample_rows"]), random_state=self.params["seed"])
        predictions = scores(drawn["prediction"], self.reference.model.signature)
        return self.expectation.measure(drawn, predictions, errors=errors)


SPAN = 0.9  # of the window's length that the time before must have
SLACK = {"relation": 5, "lean": 5, "unknown": 0.2}
"""Times the slack of other shares. The first two are no shares, but mean errors of which the mean is 1; and of values
that training never saw, no season brings many."""
