"""The verdict of a gate, and the outcome of several."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict

from slipway.schema.bounds import Name, Text

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(StrEnum):
    """Outcome of one gate, or of all gates together."""

    PASS = "pass"  # noqa: S105  an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """Verdict of one gate. `threshold` and `observed` are display strings with units."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", defer_build=True)

    gate: Name
    outcome: Outcome
    threshold: Text
    observed: Text
    reason: Text = ""


def overall(verdicts: Iterable[Verdict]) -> Outcome:
    """Return `fail` if any gate failed or none ran, `inconclusive` if any was, else `pass`."""
    outcomes = {verdict.outcome for verdict in verdicts} or {Outcome.FAIL}
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        if outcome in outcomes:
            return outcome
    return Outcome.PASS
