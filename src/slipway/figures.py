"""Formatting of numbers and lines, by the standard library alone, because the job `required` installs nothing else."""

from __future__ import annotations

import math

DECIMALS = 4  # of a number below ten
DECIMALS_MAX = 9  # smaller differences are rounding errors of the computation
SMALL_RATIO_MIN = 0.01  # of the range; a smaller value counts as 0
STEPS_MIN = 5  # of the last decimal, between the smallest and the largest number


def as_text(*values: float, sign: str = "") -> list[str]:
    """Format `values` with the same number of decimals: four if all are below ten, one fewer for each power of ten.

    More where they would hide a difference: then the range of the values has two significant digits; or where a value
    would be rounded to zero, such as the end of an interval, whose sign decides. NaN is `undefined`. sign: that of a
    format specification, such as `+`.
    """
    finite = [value for value in values if math.isfinite(value)]
    largest = max(map(abs, finite), default=0.0)
    decimals = max(0, DECIMALS - int(math.log10(max(1, largest))))
    extent = (max(finite) - min(finite) if finite else 0.0) or largest
    if 10**-DECIMALS_MAX < extent < STEPS_MIN * 10**-decimals:
        decimals = max(decimals, min(DECIMALS_MAX, 1 - math.floor(math.log10(extent))))
    smallest = min((abs(value) for value in finite if abs(value) > extent * SMALL_RATIO_MIN), default=extent)
    if smallest < 0.5 * 10**-decimals and extent > 10**-DECIMALS_MAX:
        decimals = min(DECIMALS_MAX, -math.floor(math.log10(smallest)))
    return [
        "undefined" if math.isnan(value) else f"{round(value, decimals) + 0.0:{sign},.{decimals}f}" for value in values
    ]


def shorten(text: str, characters_max: int) -> str:
    """Return `text`, cut to `characters_max` with an ellipsis."""
    return text if len(text) <= characters_max else f"{text[: characters_max - 1].rstrip()}…"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which is regular: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
