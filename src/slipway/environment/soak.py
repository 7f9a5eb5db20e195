"""Soak time: how long staging desires a release before another environment may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

SOAKS_IN = "staging"


@dataclass(frozen=True)
class Change:
    """A commit that changed the file of staging."""

    time: datetime
    digest: str | None
    """Digest of the desired release; None for an invalid file, and for a canary that has not passed."""


def desired_since(changes: Sequence[Change], digest: str) -> datetime | None:
    """Return since when staging has desired the release with `digest`, None if it does not; newest change first."""
    since = None
    for change in changes:
        if change.digest != digest:
            break
        since = change.time
    return since


def longest(changes: Sequence[Change], digest: str, now: datetime) -> timedelta:
    """Return the longest time for which staging has desired the release without a change; newest change first.

    Unlike `desired_since`, it counts a release that staging has left in the meantime.
    """
    soaked, end = timedelta(0), now
    for position, change in enumerate(changes):
        if change.digest != digest:
            end = change.time
        elif since := desired_since(changes[position:], digest):
            soaked = max(soaked, end - since)
    return soaked
