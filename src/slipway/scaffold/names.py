"""Names that Python takes, for columns that were named for people: `Sepal Length (cm)` becomes `sepal_length_cm`."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIT = re.compile(r"\(([^()]{1,12})\)\s*$")
UNIT_ENDINGS = {"mm", "cm", "m", "km", "g", "kg", "lbs", "ms", "s", "minutes", "hours", "days", "usd", "eur", "percent"}


def unique(columns: Iterable[str]) -> dict[str, str]:
    """A name for each of `columns`, no two alike."""
    names: dict[str, str] = {}
    for number, column in enumerate(columns, start=1):
        name = plain = snake_case(column) or f"column_{number}"
        count = 1
        while name in names.values():
            count += 1
            name = f"{plain}_{count}"
        names[column] = name
    return names


def snake_case(column: str) -> str:
    """`column` in lower case letters, digits and underscores, as a field of a pydantic model may be called."""
    letters = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", letters)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if name[:1].isdigit():
        name = f"n_{name}"
    return f"{name}_" if keyword.iskeyword(name) or hasattr(BaseModel, name) else name


def unit(column: str) -> str:
    """The unit that a column's name ends with, or nothing."""
    if found := UNIT.search(column):
        return found[1]
    last = snake_case(column).rpartition("_")[2]
    return last if last in UNIT_ENDINGS and last != snake_case(column) else ""
