"""What every gate returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(StrEnum):
    """Of a gate, and of all gates together."""

    PASS = "pass"  # noqa: S105  the word of the field, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """One row of the gate table; `threshold` and `observed` are text with units, ready to read."""

    gate: str
    outcome: Outcome
    threshold: str
    observed: str
    reason: str = ""


def overall(verdicts: Iterable[Verdict]) -> Outcome:
    """Fail if any gate failed or there is none, inconclusive if any was, else pass."""
    outcomes = {verdict.outcome for verdict in verdicts} or {Outcome.FAIL}
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        if outcome in outcomes:
            return outcome
    return Outcome.PASS
