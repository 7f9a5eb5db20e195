"""The simulation of production under one policy: a model serves day by day, and retraining may replace it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway.batch.spans import PREVIOUS_WINDOWS
from slipway.gates import Outcome
from slipway.lab.backtest import release as releases
from slipway.lab.backtest.replay_result import RetrainingEvent
from slipway.lab.backtest.stream import times
from slipway.monitoring.alarm_state import MonitorState
from slipway.monitoring.assess import assess
from slipway.monitoring.log_columns import KEY, PREDICTION, RELEASE, TIME, label_key
from slipway.monitoring.window import LiveWindow, logged
from slipway.retraining import trigger
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pandas as pd

    from slipway.gates.monitoring_evidence import RetrainRequest
    from slipway.lab.backtest.release import SimulatedRelease
    from slipway.lab.backtest.stream import Timeline
    from slipway.settings import Settings

NEVER, CALENDAR, MONITORED = "never", "calendar", "monitored"
"""Policies: no retraining; one every `retraining.every_days`; one whenever monitoring requests it."""


@dataclass
class Simulation:
    """Production under one policy. The label of a row arrives `label_days` after the row."""

    policy: str
    release: SimulatedRelease
    timeline: Timeline
    settings: Settings
    label_days: float
    events: list[RetrainingEvent] = field(default_factory=list)
    state: MonitorState = field(default_factory=MonitorState)

    def __post_init__(self) -> None:
        self._limits = self.settings.retraining
        self._times = times(self.timeline.rows)
        features = to_features(self.timeline.rows, problem.Row)
        self._columns = {str(name): features[name].to_numpy() for name in features}
        self._scores: np.ndarray | None = None
        self._versions = np.full(len(self.timeline.rows), "", dtype=object)

    @property
    def served(self) -> np.ndarray:
        """Return the predictions from the first deployment on, as `Predictor.predict` documents.

        Raises RuntimeError before the first day.
        """
        return self._predictions[self.timeline.place(self.timeline.begin) :]

    @property
    def _predictions(self) -> np.ndarray:
        if self._scores is None:
            raise RuntimeError("no day was served yet")
        return self._scores

    def serve(self, day: datetime) -> None:
        """Predict the rows of `day`."""
        rows = slice(self.timeline.place(day), self.timeline.place(day + timedelta(days=1)))
        columns = {name: column[rows] for name, column in self._columns.items()}
        scores = self.release.reference.model.predict(columns)
        if self._scores is None:
            self._scores = np.full((len(self.timeline.rows), *scores.shape[1:]), np.nan)
        self._scores[rows], self._versions[rows] = scores, self.release.name

    def renew(self, day: datetime, build: Callable[[datetime], SimulatedRelease]) -> RetrainingEvent | None:
        """Retrain if the policy requests it and the limits allow it; promote if every gate passes."""
        request = self._request(day)
        earlier = [event.day for event in self.events]
        if request is None or not trigger.decide(request[0], earlier, day, self._limits).go:
            return None
        candidate = build(day)
        verdicts = releases.judge(candidate, self.release, self.settings)
        blocking = [
            f"{verdict.gate}: {verdict.observed}" for verdict in verdicts if verdict.outcome is not Outcome.PASS
        ]
        gain = next(verdict.observed for verdict in verdicts if verdict.gate == "champion")
        event = RetrainingEvent(
            day=day,
            trigger=request[0],
            because=request[1],
            gain=gain,
            promoted=not blocking,
            blocked_by="; ".join(blocking),
        )
        self.events.append(event)
        if event.promoted:
            self.release = candidate
        return event

    def _request(self, day: datetime) -> tuple[str, str] | None:
        """Return trigger and evidence of a retraining on the morning of `day`; None if nothing requests one."""
        if self.policy == MONITORED and self._scores is not None:
            request = self._monitor(day)
            return (request.trigger, request.because) if request.trigger else None
        days = timedelta(days=self._limits.every_days)
        due = max([self.timeline.begin, *(event.day for event in self.events)]) + days
        return (trigger.SCHEDULE, "") if self.policy == CALENDAR and day >= due else None

    def _monitor(self, now: datetime) -> RetrainRequest:
        """Assess the window that ends at `now`, and return the retraining request."""
        length = timedelta(days=self.settings.monitoring.window_days)
        start, previous_start = now - length, now - length * (1 + PREVIOUS_WINDOWS)
        previous = self._logged(previous_start, start)
        window = LiveWindow(
            start,
            now,
            self._logged(start, now),
            previous if len(previous) else None,
            self._labels(previous_start, now),
        )
        assessment = assess(window, self.release.reference, self.state, self.settings)
        self.state = assessment.state
        return assessment.retrain

    def _logged(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the prediction log from `start` until before `end`."""
        first = max(self.timeline.place(start), self.timeline.place(self.timeline.begin))
        rows = slice(first, max(first, self.timeline.place(end)))
        columns: dict[str, Any] = {
            KEY[0]: np.arange(rows.start, rows.stop).astype(str),
            KEY[1]: 0,
            RELEASE: self._versions[rows],
            TIME: self._times.iloc[rows].reset_index(drop=True),
            PREDICTION: logged(self._predictions[rows], self.release.reference.model.signature),
        }
        served = self.timeline.rows[list(problem.Row.model_fields)].iloc[rows].reset_index(drop=True)
        return served.assign(**columns)

    def _labels(self, start: datetime, now: datetime) -> pd.DataFrame:
        """Return the labels that have arrived by `now` for the rows served since `start`."""
        rows = self._logged(start, now - timedelta(days=self.label_days))
        targets = self.timeline.rows[problem.TARGET].iloc[rows[KEY[0]].astype(int)]
        key = list(label_key().values())
        return rows[key].assign(**{problem.TARGET: targets.to_numpy()})
