"""The input of every check: a live window, its reference, and the results that several checks use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

import problem
from slipway.monitoring.log_columns import PREDICTION, RELEASE, TIME
from slipway.monitoring.window import scores
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.monitoring.expectation import Expectation, Range, Sample, StatisticKey
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow
    from slipway.settings import Settings
    from slipway.settings.operation import MonitoringSection

PREVIOUS_SPAN_MIN = 0.9  # of the length of the window, which the previous rows have to cover
SLACK_FACTORS = {"relation": 5, "lean": 5, "unknown": 0.2}
"""Factors on the slack of these statistics. The first two are no fractions but errors in units of the mean error. The
last is stricter, because no season brings many values that training never had."""


@dataclass(frozen=True)
class Excess:
    """How far the value of a statistic of a column exceeds its expected range; a score above 1 is over the limit."""

    column: str
    statistic: str
    score: float
    value: float
    expected: Range


@dataclass(frozen=True)
class CheckContext:
    """Input of every check."""

    window: LiveWindow
    reference: Reference
    settings: Settings

    @property
    def limits(self) -> MonitoringSection:
        """Return the section `monitoring` of params.yaml."""
        return self.settings.monitoring

    @cached_property
    def hidden(self) -> list[str]:
        """Return the columns that the prediction log redacts."""
        return redacted(problem.Row)

    @cached_property
    def own(self) -> pd.DataFrame:
        """Return the rows that the assessed release predicted."""
        rows = self.window.rows
        return rows[rows[RELEASE] == self.reference.baseline.release]

    def few(self, rows: pd.DataFrame) -> str:
        """Return why `rows` are too few to judge; empty if they suffice."""
        required = self.limits.minimum_rows
        return "" if len(rows) >= required else f"{len(rows):,} rows; {required:,} are required"

    @cached_property
    def expectation(self) -> Expectation:
        """Return the expectation for windows of this length."""
        return self.reference.expectation(self.window.days)

    @cached_property
    def sample(self) -> Sample:
        """Return the sample of all rows."""
        return self._measured(self.window.rows)

    @cached_property
    def own_sample(self) -> Sample:
        """Return the sample of the rows that the assessed release predicted."""
        return self.sample if len(self.own) == len(self.window.rows) else self._measured(self.own)

    @cached_property
    def has_previous(self) -> bool:
        """Return whether the previous rows are enough to measure drift from.

        They have to cover a window's length: a single day has a single weekday.
        """
        rows = self.window.previous
        if rows is None or self.few(rows):
            return False
        return bool(rows[TIME].max() - rows[TIME].min() > PREVIOUS_SPAN_MIN * (self.window.end - self.window.start))

    @cached_property
    def previous(self) -> Sample:
        """Return the sample of the previous rows; the newest rows of the reference where live ones are too few."""
        rows = self.window.previous
        if rows is None or not self.has_previous:
            return self.expectation.recent()
        return self._measured(rows, errors=False)

    @cached_property
    def statistics(self) -> dict[StatisticKey, float]:
        """Return the statistics of all rows."""
        return self.expectation.statistics(self.sample) | self.expectation.moved(self.sample, self.previous)

    @cached_property
    def own_statistics(self) -> dict[StatisticKey, float]:
        """Return the statistics of the rows that the assessed release predicted."""
        if self.own_sample is self.sample:
            return self.statistics
        return self.expectation.statistics(self.own_sample) | self.expectation.moved(self.own_sample, self.previous)

    def excesses(self, statistics: Mapping[StatisticKey, float]) -> list[Excess]:
        """Return each statistic with its expected range and how far it exceeds it, worst first."""
        ranges = self.expectation.ranges
        findings = []
        for (statistic, column), value in statistics.items():
            if (statistic, column) in ranges:
                expected = ranges[statistic, column]
                slack = self.limits.slack * SLACK_FACTORS.get(statistic, 1)
                score = expected.excess(value, self.limits.headroom, slack)
                findings.append(Excess(column, statistic, score, value, expected))
        return sorted(findings, key=lambda excess: -excess.score)

    def _measured(self, rows: pd.DataFrame, *, errors: bool = True) -> Sample:
        drawn = rows.sample(min(len(rows), self.limits.sample_rows), random_state=self.settings.seed)
        predictions = scores(drawn[PREDICTION], self.reference.model.signature)
        return self.expectation.measure(drawn, predictions, errors=errors)
