"""The selection of columns for injected faults, by their kind and their values in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch.statistic_values import StatisticKey, from_arcsine
from slipway.monitoring.log_columns import PREDICTION
from slipway.monitoring.reference import predict
from slipway.monitoring.window import logged
from slipway.schema.columns import columns
from slipway.schema.fields import fields

if TYPE_CHECKING:
    import pandas as pd

    from slipway.batch.batch_reference import BatchReference
    from slipway.monitoring.reference import Reference
    from slipway.settings.data_checks import RelationsSection

MISSING_FRACTION_MIN = 0.1  # in every window
ROUND_FRACTION_MAX = 0.5
SEASONAL_DISTANCE_MAX = 0.05  # to the nearest period; a column that stays within has no season
FILLED_FRACTION_MIN = 0.7  # of the range that `Row` allows, which the values of a clock fill
CLOCK_SHIFT = 5 / 24  # of a day, by which a clock is wrong


@dataclass(frozen=True)
class ColumnPicker:
    """Columns of a problem for windows of `days`, ordered by how well the other columns predict them."""

    reference: Reference
    days: float
    limits: RelationsSection

    @property
    def _expected(self) -> BatchReference:
        return self.reference.expectation(self.days, self.limits).batch

    @property
    def numbers(self) -> list[str]:
        """Return the numbers, the best predicted first, since their faults cannot be mistaken for a season."""
        names = (column.name for column in columns(problem.Row) if column.kind == "number")
        return sorted(names, key=lambda name: -self._expected.explained(name))

    @property
    def categories(self) -> list[str]:
        """Return the categories."""
        return [column.name for column in columns(problem.Row) if column.kind == "category"]

    @property
    def optional(self) -> list[str]:
        """Return the numbers that may be missing."""
        nullable = {column.name for column in columns(problem.Row) if column.nullable}
        return [name for name in self.numbers if name in nullable]

    @property
    def often_missing(self) -> list[str]:
        """Return the numbers that are missing in some rows of every window."""
        return [name for name in self.optional if min(self._fractions("missing", name)) > MISSING_FRACTION_MIN]

    @property
    def uneven(self) -> list[str]:
        """Return the numbers that are rarely round."""
        return [name for name in self.optional if max(self._fractions(self._step(name), name)) < ROUND_FRACTION_MAX]

    @property
    def steady(self) -> list[str]:
        """Return the numbers without a season."""
        series = self._expected.series
        distances = {
            name: np.mean([value.value for value in series[StatisticKey("shape", name)]]) for name in self.numbers
        }
        return [name for name in self.numbers if distances[name] < SEASONAL_DISTANCE_MAX]

    @property
    def extensible(self) -> list[str]:
        """Return the numbers for which `Row` allows values above those in training."""
        return [name for name in self.optional if self.high(name) > self._expected.profiles[name].bins[-1]]

    @property
    def clocks(self) -> list[str]:
        """Return the required numbers that fill the range that `Row` allows, as a time of day does."""
        limited = [name for name in self.numbers if name not in self.optional and np.isfinite(self._width(name))]
        return [name for name in limited if self._width(name) > self.days and self._filled(name) > FILLED_FRACTION_MIN]

    def within(self, values: pd.Series) -> pd.Series:
        """Return `values` clipped to the range that `Row` allows."""
        name = str(values.name)
        return values.clip(self.low(name), self.high(name)).round().astype(values.dtype)

    def later(self, values: pd.Series) -> pd.Series:
        """Return the values of a clock that is five hours ahead."""
        name = str(values.name)
        low, period = self.low(name), self._width(name) + 1
        return (values - low + round(period * CLOCK_SHIFT)) % period + low

    def rounded(self, values: pd.Series) -> pd.Series:
        """Return `values` without their last digits."""
        step = self._expected.profiles[str(values.name)].grid / 10
        return (values / step).round() * step

    def with_predictions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return `rows` with the predictions of the release's model."""
        model = self.reference.model
        return rows.assign(**{PREDICTION: logged(predict(model, rows), model.signature)})

    def low(self, name: str) -> float:
        """Return the minimum that `Row` allows."""
        return fields(problem.Row)[name].low

    def high(self, name: str) -> float:
        """Return the maximum that `Row` allows."""
        return fields(problem.Row)[name].high

    def _width(self, name: str) -> float:
        return self.high(name) - self.low(name)

    def _filled(self, name: str) -> float:
        ends = self.reference.rows[name].astype(float).quantile([0.01, 0.99])
        return float(ends.iloc[1] - ends.iloc[0]) / self._width(name)

    def _fractions(self, statistic: str, name: str) -> list[float]:
        """Return the fraction that a statistic stands for, by window of the reference."""
        return [from_arcsine(value.value) for value in self._expected.series[StatisticKey(statistic, name)]]

    def _step(self, name: str) -> str:
        return f"round to {self._expected.profiles[name].grid / 10:g}"
