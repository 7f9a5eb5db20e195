"""The result of a replay: what results/replay/replay.json contains."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import PlainSerializer

from slipway.evaluation.compared import Interval
from slipway.schema.bounds import Evidence, Number

Day = Annotated[datetime, PlainSerializer(lambda day: day.date().isoformat(), when_used="json")]
"""Midnight UTC; a date in JSON."""


class RetrainingEvent(Evidence):
    """One retraining."""

    day: Day
    trigger: str
    because: str
    gain: str
    """Gain over the production model on the test rows of the new one, as the gate `champion` observed it."""
    promoted: bool
    blocked_by: str


class ReplayedWeek(Evidence):
    """The primary metric of one week, on its labeled rows."""

    week: int
    """From 0, the week of the first deployment."""
    rows: int
    values: dict[str, Number]
    """By policy."""


class ReplayedPolicy(Evidence):
    """What a policy gains over no retraining, and what it retrained."""

    gains: dict[str, Interval]
    """By metric, on all rows; positive where the policy is better."""
    events: list[RetrainingEvent]


class ReplayResult(Evidence):
    """The comparison of all policies on one timeline."""

    begin: date
    """Day of the first deployment."""
    days: int
    rows: int
    """Rows with a label."""
    label_days: float
    """Days after which the label of a row arrives."""
    primary: str
    confidence: float
    """Level of the intervals, between 0 and 1."""
    weeks: list[ReplayedWeek]
    policies: dict[str, ReplayedPolicy]
    """Each policy that retrains, by name."""
