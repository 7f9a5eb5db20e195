"""Python names for column names of tables: `Sepal Length (cm)` becomes `sepal_length_cm`."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

UNIT = re.compile(r"\(([^()]{1,12})\)\s*$")
UNIT_WORDS = {
    *("mm", "cm", "km", "kg", "lbs", "ms", "kwh", "kw", "mph", "kmh", "mb", "gb", "db", "hz", "khz", "mhz"),
    *("grams", "meters", "metres", "kilometers", "kilometres", "miles", "feet", "inches", "liters", "litres"),
    *("milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "years"),
    *("usd", "eur", "gbp", "chf", "dollars", "euros", "percent", "degrees", "celsius", "fahrenheit", "kelvin"),
}
"""Unambiguous units at the end of a name. A single letter is ambiguous: `model_m`."""


NAME_LENGTH_MAX = 40  # characters of a name; a survey's question as a name would not fit into a line of code
LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
)
"""Latin letters without a decomposition into a letter of ASCII and a mark."""
ANNOTATIONS = {"int", "float", "str", "bool"}
"""Types in the annotations of `Row`, which a field of that name would hide."""


def unique(columns: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Return a unique name for each of `columns` that is not in `taken`."""
    names: dict[str, str] = {}
    for number, column in enumerate(columns, start=1):
        name = plain = snake_case(column) or f"column_{number}"
        count = 1
        while name in names.values() or name in taken:
            count += 1
            name = f"{plain}_{count}"
        names[column] = name
    return names


def snake_case(column: str) -> str:
    """Return `column` as a valid field name of a pydantic model, in lower case letters, digits and underscores."""
    letters = unicodedata.normalize("NFKD", column.translate(LETTERS)).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", letters)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if name[:1].isdigit():
        name = f"n_{name}"
    name = name[:NAME_LENGTH_MAX].rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) or name in ANNOTATIONS or hasattr(BaseModel, name) else name


def unit(column: str) -> str:
    """Return the unit at the end of a column's name, in parentheses or as a word of UNIT_WORDS; empty for none.

    The word follows `_`, `-` or a blank: `weight_kg`, but not `Flow Bytes/s` or `backlogkg`.
    """
    if match := UNIT.search(column):
        return match[1]
    words = re.split(r"[\s_-]+", column.strip())
    return words[-1].lower() if len(words) > 1 and words[-1].lower() in UNIT_WORDS else ""
