"""Formatting of numbers. Imports the standard library only, because the job `required` installs nothing else."""

from __future__ import annotations

import math

DECIMALS_MAX = 4  # of a number below ten


def as_text(*values: float, sign: str = "") -> list[str]:
    """Format `values` with the same number of decimals: four if all are below ten, one fewer for each power of ten.

    NaN is `undefined`. sign: that of a format specification, such as `+`.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0)
    decimals = max(0, DECIMALS_MAX - int(math.log10(max(1, largest))))
    return [
        "undefined" if math.isnan(value) else f"{round(value, decimals) + 0.0:{sign},.{decimals}f}" for value in values
    ]
