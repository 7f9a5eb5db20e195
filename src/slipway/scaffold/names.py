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
WORDS = {
    *("mm", "cm", "km", "kg", "lbs", "ms", "kwh", "kw", "mph", "kmh", "mb", "gb", "db", "hz", "khz", "mhz"),
    *("grams", "meters", "metres", "kilometers", "kilometres", "miles", "feet", "inches", "liters", "litres"),
    *("milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "years"),
    *("usd", "eur", "gbp", "chf", "dollars", "euros", "percent", "degrees", "celsius", "fahrenheit", "kelvin"),
}
"""Units that a word at the end of a name hardly means anything else than. A single letter is none: `model_m`."""


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
    """Return the unit in a column's name, empty for none: what stands in parentheses at its end, or a word of WORDS.

    The word stands by itself, after `_`, `-` or a blank: `weight_kg`, not `Flow Bytes/s` or `backlogkg`.
    """
    if found := UNIT.search(column):
        return found[1]
    words = re.split(r"[\s_-]+", column.strip())
    return words[-1].lower() if len(words) > 1 and words[-1].lower() in WORDS else ""
