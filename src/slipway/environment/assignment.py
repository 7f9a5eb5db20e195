"""The side of a user in an experiment: a salted hash of the user's name decides, so it never changes.

`unit` is the pseudonym that the prediction log keeps in place of the name. The salt belongs to one experiment: with a
common salt, the users who had the new model in one experiment would have it in the next one too.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Side = Literal["treatment", "control"]
ABSENT = "absent"
"""Pseudonym of every request that names no user. These requests belong to no side."""
UNIT_DIGITS = 16
SIDE_DIGITS = 8  # of a unit, which decide its side
UNIT = re.compile(f"[0-9a-f]{{{UNIT_DIGITS}}}")


def unit_of(salt: str, user: str) -> str:
    """Return the pseudonym of `user` under `salt`; ABSENT for an empty name."""
    if not user:
        return ABSENT
    return hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()[:UNIT_DIGITS]


def side_of(unit: str, percent: int) -> Side | None:
    """Return the side of a unit if each side has `percent` of the users; None outside of the experiment."""
    if not UNIT.fullmatch(unit):
        return None
    position = 100 * int(unit[:SIDE_DIGITS], 16) / 16**SIDE_DIGITS
    if position < percent:
        return "treatment"
    return "control" if position < 2 * percent else None


def logged(experiment: str, unit: str) -> str:
    """Return the unit as the header and the prediction log have it, with the name of its experiment."""
    return f"{experiment}/{unit}"
