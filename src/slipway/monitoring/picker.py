"""Which columns a fault is put into: by their kind, and by what training showed of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.fields import fields
from slipway.monitoring.expectation import SHAPE
from slipway.monitoring.reference import predict
from slipway.monitoring.window import logged
from slipway.schema import columns

if TYPE_CHECKING:
    import pandas as pd

    from slipway.monitoring.expectation import Expectation
    from slipway.monitoring.reference import Reference

OFTEN = 0.1  # share of missing values in every window
UNEVEN = 0.5  # largest share of round values
STEADY = 0.05  # distance to the nearest period; a column that stays within has no season
FILLED = 0.7  # share of what `Row` allows that the values of a clock fill
HOURS = 5 / 24  # by which a clock is wrong


@dataclass(frozen=True)
class Picker:
    """Of a problem, for windows of `days`. All that other columns foretell well come first."""

    reference: Reference
    days: float

    @property
    def _expected(self) -> Expectation:
        return self.reference.expectation(self.days)

    @property
    def numbers(self) -> list[str]:
        """Numbers: what the others foretell is no matter of the season."""
        told = self._expected.told
        return sorted((one.name for one in columns(problem.Row) if one.kind == "number"), key=lambda name: -told[name])

    @property
    def categories(self) -> list[str]:
        """Categories."""
        return [one.name for one in columns(problem.Row) if one.kind == "category"]

    @property
    def optional(self) -> list[str]:
        """Numbers that may be missing."""
        may = {one.name for one in columns(problem.Row) if one.nullable}
        return [name for name in self.numbers if name in may]

    @property
    def often_missing(self) -> list[str]:
        """Numbers that are missing in some rows of every window."""
        return [name for name in self.optional if self._expected.ranges["missing", name].low > OFTEN]

    @property
    def uneven(self) -> list[str]:
        """Numbers that are hardly ever round."""
        return [name for name in self.optional if self._expected.ranges[self._step(name), name].high < UNEVEN]

    @property
    def steady(self) -> list[str]:
        """Numbers without a season."""
        return [name for name in self.numbers if self._expected.ranges[SHAPE, name].high < STEADY]

    @property
    def roomy(self) -> list[str]:
        """Numbers whose limit in `Row` lies beyond what training saw."""
        return [name for name in self.optional if self.high(name) > self._expected.rulers[name].high]

    @property
    def clocks(self) -> list[str]:
        """Numbers that may not be missing, and fill what `Row` allows, as a time of day does."""
        limited = [name for name in self.numbers if name not in self.optional and np.isfinite(self._width(name))]
        return [name for name in limited if self._width(name) > self.days and self._filled(name) > FILLED]

    def within(self, values: pd.Series) -> pd.Series:
        """Values that `Row` allows."""
        return values.clip(self.low(values.name), self.high(values.name)).round().astype(values.dtype)

    def later(self, values: pd.Series) -> pd.Series:
        """The values of a clock that is five hours ahead."""
        low, around = self.low(values.name), self._width(values.name) + 1
        return (values - low + round(around * HOURS)) % around + low

    def rounded(self, values: pd.Series) -> pd.Series:
        """Values without their finest digits."""
        step = self._expected.rulers[values.name].grid / 10
        return (values / step).round() * step

    def answered(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with what the release's model says to them."""
        model = self.reference.model
        return rows.assign(prediction=logged(predict(model, rows), model.signature))

    def low(self, name: str) -> float:
        """Least value that `Row` allows."""
        return fields(problem.Row)[name].get("minimum", -np.inf)

    def high(self, name: str) -> float:
        """Largest value that `Row` allows."""
        return fields(problem.Row)[name].get("maximum", np.inf)

    def _width(self, name: str) -> float:
        return self.high(name) - self.low(name)

    def _filled(self, name: str) -> float:
        ends = self.reference.rows[name].astype(float).quantile([0.01, 0.99])
        return float(ends.iloc[1] - ends.iloc[0]) / self._width(name)

    def _step(self, name: str) -> str:
        return f"round to {self._expected.rulers[name].grid / 10:g}"
