"""The expectation of a window: what windows of the training rows, of the same length, let expect of each statistic.

The statistics, their intervals and the findings are those of `slipway.batch`, which judge a new file too. Only the
drift from the previous windows is measured here, because a file has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.batch import interval
from slipway.batch.batch_reference import BatchReference
from slipway.batch.batch_rows import BatchRows
from slipway.batch.spans import PREVIOUS_WINDOWS, Spans, days_of
from slipway.batch.statistic_values import StatisticKey, arcsine
from slipway.monitoring.log_columns import PREDICTION
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from slipway.batch.column_models import Measured
    from slipway.batch.interval import Excess
    from slipway.batch.statistic_values import Value
    from slipway.settings.data_checks import RelationsSection

DRIFT = "drift"


class Expectation:
    """The expectation of one release for windows of `days`."""

    def __init__(
        self, frame: pd.DataFrame, predictions: np.ndarray, days: float, limits: RelationsSection, seed: int
    ) -> None:
        """Learn the expectation.

        frame: columns of `Row`, and `TIME_COLUMN` if the problem has one, oldest first.
        predictions: those of the model on `frame`, as `Predictor.predict` documents.
        """
        day = days_of(frame, days, seed)
        order = np.argsort(day, kind="stable")
        spans = Spans.of(day[order], days)
        self._limits, self._files = limits, len(spans.previous) // PREVIOUS_WINDOWS
        self.batch = BatchReference(_rows(frame, predictions).take(order), limits, seed, self._files, spans.window)
        codes = self.batch.measured.codes
        self.recent: np.ndarray = codes[spans.recent]
        """Codes of the newest rows, which stand in for the previous windows of a new deployment."""
        self._drift_series: dict[StatisticKey, list[Value]] = {}
        for places, previous in zip(self.batch.places, spans.previous, strict=True):
            for key, value in self._drift(codes[places], codes[previous]).items() if len(previous) else ():
                self._drift_series.setdefault(key, []).append(value)

    def measure(self, frame: pd.DataFrame, predictions: np.ndarray) -> Measured:
        """Return the errors and codes of live rows."""
        return self.batch.measure(_rows(frame, predictions))

    def codes(self, frame: pd.DataFrame, predictions: np.ndarray) -> np.ndarray:
        """Return the codes of live rows, from which drift is measured."""
        return _rows(frame, predictions).codes(self.batch.profiles)

    def excesses(self, measured: Measured) -> list[Excess]:
        """Return how far each statistic is outside its interval, worst first."""
        return self.batch.excesses(self.batch.statistics(measured))

    def drift(self, measured: Measured, previous: np.ndarray) -> list[Excess]:
        """Return how far the distance of each column to the rows with the codes `previous` is outside its interval."""
        return interval.excesses(self._drift(measured.codes, previous), self._drift_series, self._limits, self._files)

    def _drift(self, codes: np.ndarray, previous: np.ndarray) -> dict[StatisticKey, Value]:
        count = 1 / (1 / len(codes) + 1 / len(previous))
        sides = zip(self.batch.profiles.items(), codes.T, previous.T, strict=True)
        return {
            StatisticKey(DRIFT, name): arcsine(column.distance(column.fractions(now), column.fractions(before)), count)
            for (name, column), now, before in sides
        }


def _rows(frame: pd.DataFrame, predictions: np.ndarray) -> BatchRows:
    """Return the rows without a clock and without an order: a log has the time of the request, not of the row."""
    features = to_features(frame, problem.Row).reset_index(drop=True)
    return BatchRows(features.assign(**prediction_columns(predictions)), None, {}, pd.DataFrame(index=features.index))


def prediction_columns(predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Return predictions as named columns: a single one, or one per class."""
    if predictions.ndim == 1:
        return {PREDICTION: predictions}
    return {f"{PREDICTION} {place}": column for place, column in enumerate(predictions.T)}
