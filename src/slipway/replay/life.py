"""One life of production: a model serves day after day, and is renewed by what a policy asks for, or never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway.features import to_features
from slipway.gates import Outcome
from slipway.monitoring import LiveWindow, Memory, assess
from slipway.monitoring.spans import BEFORE
from slipway.monitoring.window import KEY
from slipway.replay import release as releases
from slipway.replay.stream import times
from slipway.retraining import trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import pandas as pd

    from slipway.replay.release import Release
    from slipway.replay.stream import Stream

NEVER, CALENDAR, MONITORED = "never", "calendar", "monitored"
"""Policies: no retraining; one each `retraining.every_days`; one when the monitoring asks for it."""


@dataclass(frozen=True)
class Event:
    """A retraining."""

    day: datetime
    trigger: str
    because: str
    gain: str
    """What the gate `champion` saw on the rows that test the new model: its gain over the one in production."""
    promoted: bool
    blocked_by: str


@dataclass
class Life:
    """Production under a policy. Labels become known `label_days` after a row happened."""

    policy: str
    release: Release
    stream: Stream
    params: Mapping[str, Any]
    label_days: float
    events: list[Event] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self._times = times(self.stream.rows)
        features = to_features(self.stream.rows, problem.Row)
        self._columns = {name: features[name].to_numpy() for name in features}
        self._scores: np.ndarray | None = None
        self._versions = np.full(len(self.stream.rows), "", dtype=object)

    @property
    def served(self) -> np.ndarray:
        """What was answered to each row from the begin on, as `Predictor.predict` documents."""
        return self._scores[self.stream.place(self.stream.begin) :]

    def serve(self, day: datetime) -> None:
        """Answer what is asked on a day."""
        rows = slice(self.stream.place(day), self.stream.place(day + timedelta(days=1)))
        answers = self.release.reference.model.predict({name: one[rows] for name, one in self._columns.items()})
        if self._scores is None:
            self._scores = np.full((len(self.stream.rows), *answers.shape[1:]), np.nan)
        self._scores[rows], self._versions[rows] = answers, self.release.name

    def renew(self, day: datetime, build: Callable[[datetime], Release]) -> Event | None:
        """Retrain if the policy asks for it and it may be, and promote if every gate passes."""
        asked = self._asked(day)
        before = [event.day for event in self.events]
        if asked is None or not trigger.decide(asked[0], before, day, self.params["retraining"]).go:
            return None
        new = build(day)
        verdicts = releases.judge(new, self.release, self.params)
        blocking = [f"{one.gate}: {one.observed}" for one in verdicts if one.outcome is not Outcome.PASS]
        gain = next(one.observed for one in verdicts if one.gate == "champion")
        event = Event(day, *asked, gain, promoted=not blocking, blocked_by="; ".join(blocking))
        self.events.append(event)
        if event.promoted:
            self.release = new
        return event

    def _asked(self, day: datetime) -> tuple[str, str] | None:
        """Trigger and evidence, if anything asks for a retraining on the morning of a day."""
        if self.policy == MONITORED and self._scores is not None:
            wanted = self._look(day)
            return (wanted["trigger"], wanted["because"]) if wanted["wanted"] else None
        days = timedelta(days=self.params["retraining"]["every_days"])
        due = max([self.stream.begin, *(event.day for event in self.events)]) + days
        return (trigger.SCHEDULE, "") if self.policy == CALENDAR and day >= due else None

    def _look(self, now: datetime) -> dict[str, Any]:
        """What the monitoring says of a model in the morning of a day."""
        length = timedelta(days=self.params["monitoring"]["window_days"])
        start, began = now - length, now - length * (1 + BEFORE)
        before = self._logged(began, start)
        window = LiveWindow(
            start, now, self._logged(start, now), before if len(before) else None, self._labels(began, now)
        )
        found = assess(window, self.release.reference, self.memory, self.params)
        self.memory = found.memory
        return found.retrain

    def _logged(self, start: datetime, end: datetime) -> pd.DataFrame:
        """The prediction log from `start` to before `end`."""
        first = max(self.stream.place(start), self.stream.place(self.stream.begin))
        rows = slice(first, max(first, self.stream.place(end)))
        keys = {KEY[0]: np.arange(rows.start, rows.stop).astype(str), KEY[1]: 0}
        said = self.stream.rows[list(problem.Row.model_fields)].iloc[rows].reset_index(drop=True)
        answers = list(map(self._answer, self._scores[rows]))
        when = self._times.iloc[rows].reset_index(drop=True)
        return said.assign(**keys, release=self._versions[rows], time=when, prediction=answers)

    def _answer(self, score: Any) -> Any:
        """A prediction as the log has it: for `multiclass`, by class."""
        if problem.TASK != "multiclass":
            return float(score)
        return dict(zip(map(str, self.release.reference.classes), map(float, score), strict=True))

    def _labels(self, start: datetime, now: datetime) -> pd.DataFrame:
        """What has become known by `now` of the rows that were served since `start`."""
        known = self._logged(start, now - timedelta(days=self.label_days))
        targets = self.stream.rows[problem.TARGET].iloc[known[KEY[0]].astype(int)]
        key = list(getattr(problem, "LABEL_KEY", KEY[:1]))
        return known[key].assign(**{problem.TARGET: targets.to_numpy()})
