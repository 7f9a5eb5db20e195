"""A finding of `slipway doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """The severity of a finding. Its value is the exit code of `slipway doctor`."""

    FINE = 0
    ADVISED = 1
    """Slipway works without it, but some features are missing."""
    NEEDED = 2
    """Common commands fail without it."""


@dataclass(frozen=True)
class Finding:
    """The result of a check: its subject, the observed state, the fix if there is one, and the severity."""

    subject: str
    observed: str
    fix: str = ""
    severity: Severity = Severity.FINE
