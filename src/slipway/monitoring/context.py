"""The input of every check: a live window, its reference, and the results that several checks use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import problem
from slipway.monitoring.log_columns import PREDICTION, RELEASE, TIME
from slipway.monitoring.window import scores
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from slipway.batch.column_models import Measured
    from slipway.batch.interval import Excess
    from slipway.monitoring.expectation import Expectation
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow
    from slipway.settings import Settings
    from slipway.settings.operation import MonitoringSection

PREVIOUS_SPAN_MIN = 0.9  # of the length of the window, which the previous rows have to cover


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

    @property
    def untaught(self) -> str:
        """Return why no statistic has an interval, where none has."""
        return f"{len(self.reference.rows):,} training rows are too few to learn from"

    @cached_property
    def expectation(self) -> Expectation:
        """Return the expectation for windows of this length."""
        return self.reference.expectation(self.window.days, self.settings.window_limits)

    @cached_property
    def sample(self) -> Measured:
        """Return the sample of all rows."""
        return self._measured(self.window.rows)

    @cached_property
    def own_sample(self) -> Measured:
        """Return the sample of the rows that the assessed release predicted."""
        return self.sample if len(self.own) == len(self.window.rows) else self._measured(self.own)

    @cached_property
    def excesses(self) -> list[Excess]:
        """Return how far each statistic of all rows is outside its interval, worst first."""
        return self.expectation.excesses(self.sample)

    @cached_property
    def own_excesses(self) -> list[Excess]:
        """Return the same of the rows that the assessed release predicted."""
        return self.excesses if self.own_sample is self.sample else self.expectation.excesses(self.own_sample)

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
    def previous(self) -> np.ndarray:
        """Return the codes of the previous rows; of the newest ones of the reference where live ones are too few."""
        rows = self.window.previous
        if rows is None or not self.has_previous:
            return self.expectation.recent
        return self.expectation.codes(*self._drawn(rows))

    def _measured(self, rows: pd.DataFrame) -> Measured:
        return self.expectation.measure(*self._drawn(rows))

    def _drawn(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        """Return a sample of `rows`, and its predictions."""
        count = min(len(rows), self.settings.window_limits.batch_rows)
        drawn = rows.sample(count, random_state=self.settings.seed)
        return drawn, scores(drawn[PREDICTION], self.reference.model.signature)
