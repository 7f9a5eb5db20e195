"""One line of `slipway doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is; the value is the exit code of the verb."""

    FINE = 0
    ADVISED = 1
    """It works without, but somebody will miss it."""
    NEEDED = 2
    """Without it what everybody does fails."""


@dataclass(frozen=True)
class Finding:
    """What was looked for, what was found, and what to do about it; a fine one needs no mend."""

    subject: str
    found: str
    mend: str = ""
    severity: Severity = Severity.FINE
