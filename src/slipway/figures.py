"""Numbers as people read them. Imports no more than Python has, because the job `required` installs no more."""

from __future__ import annotations

import math

DECIMALS = 4  # of a number below ten


def as_text(*values: float, sign: str = "") -> list[str]:
    """Numbers of one kind as text: four decimals, and fewer the larger the largest is, in tens; NaN is `undefined`."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0)
    decimals = max(0, DECIMALS - int(math.log10(max(1, largest))))
    return [
        "undefined" if math.isnan(value) else f"{round(value, decimals) + 0.0:{sign},.{decimals}f}" for value in values
    ]
