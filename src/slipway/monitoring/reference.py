"""The reference of live rows: the training rows of a release, its model, and the metrics that it was built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

import problem
from slipway.monitoring import segments
from slipway.monitoring.expectation import Expectation
from slipway.schema.columns import columns
from slipway.schema.features import to_features
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from slipway.evaluation.metrics import Metric
    from slipway.predictor import Predictor
    from slipway.settings.data_checks import RelationsSection


class LoadTestBaseline(BaseModel):
    """What monitoring compares with of a passed load test, by the keys in results/loadtest.json."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    p50_milliseconds: float
    p99_milliseconds: float
    rate: float
    """Offered requests per second."""


@dataclass(frozen=True)
class ReleaseBaseline:
    """The metrics of a release at build time, from its manifest and its load test."""

    release: str
    built: datetime
    metrics: Mapping[str, float]
    """On the test rows, by name: metrics/evaluate.json, `model`."""
    importance: Mapping[str, float]
    """By column: metrics/importance.json."""
    load: LoadTestBaseline | None = None
    """None if the store holds no passed load test of the release."""


@dataclass(frozen=True)
class Reference:
    """The reference of one release.

    train, test: labeled rows with the columns of `Row`, `TARGET`, and `TIME_COLUMN` if there is one.
    """

    baseline: ReleaseBaseline
    train: pd.DataFrame
    test: pd.DataFrame
    model: Predictor
    seed: int
    fraction: float = 1.0
    """Fraction of the release's rows that `train` and `test` hold."""
    _expectations: dict[float, Expectation] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        baseline: ReleaseBaseline,
        frame: pd.DataFrame,
        model: Predictor,
        params: Mapping[str, Any],
        fraction: float = 1.0,
    ) -> Reference:
        """Split the rows from `problem.load`, or a `fraction` of them, as training did, by the release's `params`."""
        labeled = frame[frame[problem.TARGET].notna()]
        return cls(baseline, *problem.split(labeled, params), model, params["seed"], fraction)

    @property
    def classes(self) -> list[Any]:
        """Return the classes in the order of the model; empty unless the task is `multiclass`."""
        classes: list[Any] = self.model.signature["classes"]
        return classes

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return all rows, oldest first."""
        rows = pd.concat([self.train, self.test], ignore_index=True)
        return rows.sort_values(problem.TIME_COLUMN, ignore_index=True) if problem.TIME_COLUMN else rows

    @cached_property
    def data_end(self) -> datetime | None:
        """Return the time of the newest row, UTC if it has no time zone; None without `TIME_COLUMN`."""
        if not problem.TIME_COLUMN:
            return None
        newest = self.rows[problem.TIME_COLUMN].max()
        end: datetime = (newest if newest.tzinfo else newest.tz_localize("UTC")).to_pydatetime(warn=False)
        return end

    @cached_property
    def test_predictions(self) -> np.ndarray:
        """Return the predictions on the test rows, as `Predictor.predict` documents."""
        return predict(self.model, self.test)

    def expectation(self, days: float, limits: RelationsSection) -> Expectation:
        """Return the expectation for windows of `days`, learned once from a sample of the rows."""
        if days not in self._expectations:
            places = np.random.default_rng(self.seed).permutation(len(self.rows))[: limits.reference_rows]
            rows = self.rows.iloc[np.sort(places)]
            hidden = rows.assign(**dict.fromkeys(redacted(problem.Row)))
            self._expectations[days] = Expectation(hidden, predict(self.model, rows), days, limits, self.seed)
        return self._expectations[days]

    @cached_property
    def repeats(self) -> float:
        """Return the fraction of rows that repeat another in every column, see `estimated_repeats`."""
        return estimated_repeats(self.rows.duplicated(list(problem.Row.model_fields)), self.fraction)

    def segments(self, metrics: Iterable[Metric]) -> dict[str, dict[str, float]]:
        """Return each metric on the test rows of each segment, by segment and name; NaN where it is undefined."""
        y = segments.targets(self.test, self.classes)
        return {
            name: {metric.name: metric.value(y[rows], self.test_predictions[rows]) for metric in metrics}
            for name, rows in segments.segments(self.test, 1).items()
        }


def estimated_repeats(is_repeated: pd.Series, fraction: float) -> float:
    """Return the fraction of rows that repeat another, from a sample that is a `fraction` of the rows.

    A pair is in the sample with its partner at that rate. Rows that occur more than twice are overestimated.
    """
    return min(1.0, float(is_repeated.mean()) / fraction)


def predict(model: Predictor, rows: pd.DataFrame) -> np.ndarray:
    """Return the predictions for rows with the columns of `Row`, as `Predictor.predict` documents."""
    features = to_features(rows, problem.Row)
    return model.predict({column.name: features[column.name].to_numpy() for column in columns(problem.Row)})
