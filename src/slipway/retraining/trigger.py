"""Whether to retrain now. Pure: what was asked for, what there was before, and the time go in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DEMAND, SCHEDULE, NEW_DATA = "demand", "schedule", "new data"
TRIGGERS = (DEMAND, SCHEDULE, NEW_DATA, "drift", "decay", "staleness")
"""What may start a retraining: a person, the calendar, new data, or a verdict of the monitoring."""


@dataclass(frozen=True)
class Decision:
    """Whether to retrain, and why or why not, in a sentence."""

    go: bool
    said: str


def at_the_hour(params: Mapping[str, Any]) -> str:
    """Trigger of a run that the calendar started: it looks for new data where that may start one."""
    return NEW_DATA if NEW_DATA in params["triggers"] else SCHEDULE


def decide(trigger: str, before: Sequence[datetime], now: datetime, params: Mapping[str, Any]) -> Decision:
    """Whether `trigger` may start a retraining at `now`; `before` has the times of those that were proposed.

    A person's demand is bound by nothing. Everything else waits for the cooldown, and stops at the cap.
    """
    if trigger == DEMAND:
        return Decision(True, "a person asked for it")
    if trigger not in params["triggers"]:
        return Decision(False, f"{trigger} is not among retraining.triggers in params.yaml")
    pauses = ("cooldown_days", "every_days") if trigger == SCHEDULE else ("cooldown_days",)
    pause = max(pauses, key=lambda name: params[name])  # the longer one holds the retraining back, and is named
    days = params[pause]
    if before and now - max(before) < timedelta(days=days):
        ago = (now - max(before)) / timedelta(days=1)
        return Decision(
            False, f"the last retraining was {ago:.1f} days ago; retraining.{pause} in params.yaml is {days:g}"
        )
    recent = [time for time in before if now - time < timedelta(days=params["window_days"])]
    if len(recent) >= params["max_retrainings"]:
        limit = f"retraining.max_retrainings in params.yaml is {params['max_retrainings']}"
        return Decision(False, f"{len(recent)} retrainings in the last {params['window_days']:g} days; {limit}")
    return Decision(True, f"{trigger} asks for it")
