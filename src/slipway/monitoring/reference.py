"""What live rows are held against: the rows that a release was trained on, its model, and what its report promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

import problem
from slipway.features import to_features
from slipway.monitoring import segments, shelf
from slipway.schema import columns
from slipway.serving.prediction_log import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    import numpy as np

    from slipway.metrics import Metric
    from slipway.monitoring.expectation import Expectation
    from slipway.predictor import Predictor


PROVED = ("p50_milliseconds", "p99_milliseconds", "rate")
"""What a load test shows of a release, by its names in results/loadtest.json."""


@dataclass(frozen=True)
class Promise:
    """What a release said of itself when it was built; found in its manifest."""

    release: str
    built: datetime
    metrics: Mapping[str, float]
    """On the test rows, by name: metrics/evaluate.json, `model`."""
    importance: Mapping[str, float]
    """By column: metrics/importance.json."""
    load: Mapping[str, float] | None = None
    """`PROVED`; None where no load test that passed is kept beside the release."""


@dataclass(frozen=True)
class Reference:
    """Of one release.

    train, test: rows with the columns of `Row`, `TARGET`, and `TIME_COLUMN` if there is one; labelled.
    shelf: folder that keeps what is learned of it, for whoever looks next; None where nobody will.
    """

    promise: Promise
    train: pd.DataFrame
    test: pd.DataFrame
    model: Predictor
    seed: int
    shelf: Path | None = None
    _expectations: dict[float, Expectation] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        promise: Promise,
        frame: pd.DataFrame,
        model: Predictor,
        params: Mapping[str, Any],
        shelf: Path | None = None,
    ) -> Reference:
        """Split what `problem.load` returned as training did; `params` are those of the release."""
        labelled = frame[frame[problem.TARGET].notna()]
        return cls(promise, *problem.split(labelled, params), model, params["seed"], shelf)

    @property
    def classes(self) -> list:
        """As the model orders them; empty but for `multiclass`."""
        return self.model.signature["classes"]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All of them, the oldest first."""
        rows = pd.concat([self.train, self.test], ignore_index=True)
        return rows.sort_values(problem.TIME_COLUMN, ignore_index=True) if problem.TIME_COLUMN else rows

    @cached_property
    def data_end(self) -> datetime | None:
        """Time of the newest row, UTC where it has no zone; None without `TIME_COLUMN`."""
        if not problem.TIME_COLUMN:
            return None
        newest = self.rows[problem.TIME_COLUMN].max()
        return (newest if newest.tzinfo else newest.tz_localize("UTC")).to_pydatetime(warn=False)

    @cached_property
    def test_predictions(self) -> np.ndarray:
        """What the model says to the test rows, as `Predictor.predict` documents."""
        return predict(self.model, self.test)

    def expectation(self, days: float) -> Expectation:
        """What is to be expected of a window of so many days; learned once."""
        if days not in self._expectations:
            hidden = self.rows.assign(**dict.fromkeys(redacted(problem.Row)))
            said = predict(self.model, self.rows)
            self._expectations[days] = shelf.learn(hidden, said, days, self.seed, self.shelf)
        return self._expectations[days]

    @cached_property
    def repeats(self) -> float:
        """Share of rows that repeat another in every column."""
        return float(self.rows.duplicated(list(problem.Row.model_fields)).mean())

    def segments(self, metrics: Iterable[Metric]) -> dict[str, dict[str, float]]:
        """Return each metric on the test rows of each segment, by segment and name; NaN where it is undefined."""
        y = segments.targets(self.test, self.classes)
        return {
            name: {metric.name: metric.value(y[rows], self.test_predictions[rows]) for metric in metrics}
            for name, rows in segments.segments(self.test, 1).items()
        }


def predict(model: Predictor, rows: pd.DataFrame) -> np.ndarray:
    """Score rows that have the columns of `Row`."""
    features = to_features(rows, problem.Row)
    return model.predict({column.name: features[column.name].to_numpy() for column in columns(problem.Row)})
