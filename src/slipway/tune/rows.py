"""Training rows of a search: cross-validation folds, and hold-out rows for the final comparison.

With a time column, each fold trains on rows before those it is scored on, as production does, and the hold-out rows are
the newest. The test rows are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.evaluation import bootstrap, metrics
from slipway.evaluation.segments import ALL
from slipway.gates.comparison import decisive
from slipway.pipeline.tables import positions, read_places, row_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from slipway.evaluation.compared import Comparison
    from slipway.settings import Settings

TRAIN = "train.parquet"


@dataclass(frozen=True)
class TuningRows:
    """Training rows in the order of the split, with the parameters of the search."""

    features: pd.DataFrame
    target: np.ndarray
    settings: Settings

    @classmethod
    def read(cls, prepared: Path, settings: Settings) -> TuningRows:
        """Return at most `tune.rows` training rows, evenly spaced, ordered by time or else shuffled with the seed.

        Of the others, only the times are in memory, and 8 bytes for the order.
        """
        if problem.TIME_COLUMN:
            times = pd.read_parquet(prepared / TRAIN, columns=[problem.TIME_COLUMN])[problem.TIME_COLUMN]
            order: np.ndarray = times.argsort().to_numpy()
        else:
            order = np.random.default_rng(settings.seed).permutation(row_count(prepared / TRAIN))
        chosen = order[:: -(-len(order) // settings.tune.rows)]
        return cls(*read_places(prepared / TRAIN, chosen), settings)

    @property
    def metric(self) -> metrics.Metric:
        """The metric that decides."""
        return metrics.primary(problem.TASK, self.settings.gates.primary)

    def value(self, params: Mapping[str, Any]) -> float:
        """Return the cross-validated metric of `params`, over the test rows of all folds."""
        rows, scores = [], []
        for train, test in self._folds():
            rows.append(test)
            scores.append(self._predictions(params, train, test))
        return self.metric.value(self._labels(np.concatenate(rows)), np.concatenate(scores))

    def judge(self, best: Mapping[str, Any], current: Mapping[str, Any]) -> Comparison:
        """Compare `best` with `current` on the hold-out rows, both trained on all searched rows.

        The loss replaces a primary metric that is undefined there, such as ROC AUC on rows of one class.
        """
        searched, holdout = self._split()
        compared = bootstrap.compare(
            self._labels(holdout),
            self._predictions(best, searched, holdout),
            self._predictions(current, searched, holdout),
            metrics.deciding(problem.TASK, self.metric.name),
            {ALL: np.arange(len(holdout))},
            resamples=self.settings.gates.resamples,
            confidence={ALL: self.settings.gates.confidence},
            seed=self.settings.seed,
        )[ALL]
        return decisive(compared, self.metric.name)

    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        end = len(self.target) - round(len(self.target) * self.settings.tune.holdout_ratio)
        return np.arange(end), np.arange(end, len(self.target))

    def _folds(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        from sklearn.model_selection import KFold, TimeSeriesSplit

        folds = self.settings.tune.folds
        splitter = TimeSeriesSplit(folds) if problem.TIME_COLUMN else KFold(folds)
        yield from splitter.split(self._split()[0])

    @property
    def _classes(self) -> np.ndarray:
        return np.unique(self.target)

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        return positions(self.target[rows], list(self._classes))

    def _predictions(self, params: Mapping[str, Any], train: np.ndarray, test: np.ndarray) -> np.ndarray:
        estimator = problem.build_model(params).fit(self.features.iloc[train], self.target[train])
        scores = predictor.score(estimator, self.features.iloc[test], problem.TASK)
        if problem.TASK != "multiclass":
            return scores
        complete = np.zeros((len(test), len(self._classes)))  # classes without training rows have probability 0
        complete[:, np.searchsorted(self._classes, estimator.classes_)] = scores
        return complete
