"""Results of an evaluation: intervals of metrics, comparisons of two models by them, and calibration."""

from __future__ import annotations

import math

from slipway.schema.bounds import Count, Evidence, Name, Number


class Interval(Evidence):
    """An estimate and its percentile interval; NaN where undefined."""

    value: Number
    low: Number
    high: Number

    @property
    def ends(self) -> tuple[float, float, float]:
        """The estimate, and the lower and the upper end."""
        return self.value, self.low, self.high

    @property
    def is_defined(self) -> bool:
        """Whether all three numbers are finite."""
        return all(map(math.isfinite, self.ends))


class Comparison(Evidence):
    """One metric of two models on the same rows; `gain` is positive where the candidate is better."""

    metric: Name
    rows: Count
    candidate: Interval
    champion: Interval
    gain: Interval


class Decile(Evidence):
    """Mean prediction and mean outcome of one decile of the rows."""

    predicted: Number
    observed: Number
