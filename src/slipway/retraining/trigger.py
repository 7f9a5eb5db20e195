"""The decision whether to retrain: a pure function of the trigger, the earlier retrainings and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from slipway.settings.operation import RetrainingSection

DEMAND, SCHEDULE, NEW_DATA = "demand", "schedule", "new data"
TRIGGERS = (DEMAND, SCHEDULE, NEW_DATA, "drift", "decay", "staleness")
"""Causes of a retraining: a user, the calendar, new data, or a verdict of monitoring."""


@dataclass(frozen=True)
class Decision:
    """Whether to retrain, and the reason."""

    go: bool
    reason: str


def scheduled(limits: RetrainingSection) -> str:
    """Return the trigger of a scheduled run: new data if that is enabled, else the calendar."""
    return NEW_DATA if NEW_DATA in limits.triggers else SCHEDULE


def decide(trigger: str, before: Sequence[datetime], now: datetime, limits: RetrainingSection) -> Decision:
    """Return whether `trigger` may start a retraining at `now`; `before` are the times of earlier proposals.

    A user's request is always accepted. All other triggers respect the cooldown and the maximum number.
    """
    if trigger == DEMAND:
        return Decision(True, "requested by a user")
    if trigger not in limits.triggers:
        return Decision(False, f"{trigger} is not among retraining.triggers in params.yaml")
    pauses = {"cooldown_days": limits.cooldown_days}
    if trigger == SCHEDULE:
        pauses["every_days"] = limits.every_days
    pause, days = max(pauses.items(), key=lambda item: item[1])  # the longer pause decides, and is named
    if before and now - max(before) < timedelta(days=days):
        ago = (now - max(before)) / timedelta(days=1)
        return Decision(
            False, f"the last retraining was {ago:.1f} days ago; retraining.{pause} in params.yaml is {days:g}"
        )
    recent = [time for time in before if now - time < timedelta(days=limits.window_days)]
    if len(recent) >= limits.max_retrainings:
        limit = f"retraining.max_retrainings in params.yaml is {limits.max_retrainings}"
        return Decision(False, f"{len(recent)} retrainings in the last {limits.window_days:g} days; {limit}")
    return Decision(True, f"requested by {trigger}")
