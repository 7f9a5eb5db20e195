"""How good a set of parameters is, told from training rows: folds for the search, and rows kept apart to judge it.

With a time column each fold trains on what came before the rows that it is scored on, as production does, and the rows
kept apart are the newest. The test rows are never read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import bootstrap, metrics, predictor
from slipway.gates.comparison import decisive
from slipway.pipeline.tables import positions, read_rows
from slipway.segments import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TRAIN = "train.parquet"


@dataclass(frozen=True)
class Rows:
    """Training rows in the order in which they are split, and how."""

    features: pd.DataFrame
    target: np.ndarray
    params: Mapping[str, Any]
    """All of params.yaml."""

    @classmethod
    def read(cls, prepared: Path, params: Mapping[str, Any]) -> Rows:
        """Read at most `tune.rows` of the training rows, evenly spread, by time or else shuffled by the seed."""
        features, target = read_rows(prepared / TRAIN)
        if problem.TIME_COLUMN:
            order = pd.read_parquet(prepared / TRAIN, columns=[problem.TIME_COLUMN])[problem.TIME_COLUMN].argsort()
        else:
            order = np.random.default_rng(params["seed"]).permutation(len(target))
        kept = np.asarray(order)[:: -(-len(target) // params["tune"]["rows"])]
        return cls(features.iloc[kept].reset_index(drop=True), target[kept], params)

    @property
    def metric(self) -> metrics.Metric:
        """The one that decides."""
        return metrics.primary(problem.TASK, self.params["gates"]["primary"])

    def value(self, params: Mapping[str, Any]) -> float:
        """The metric of `params` on the rows of all folds, each predicted by a model that did not see it."""
        held, scores = [], []
        for train, test in self._folds():
            held.append(test)
            scores.append(self._predictions(params, train, test))
        return self.metric.value(self._found(np.concatenate(held)), np.concatenate(scores))

    def judge(self, best: Mapping[str, Any], current: Mapping[str, Any]) -> bootstrap.Comparison:
        """Compare `best` with `current` on the hold-out rows, both trained on all rows that the search used.

        The loss takes the place of a primary metric that is undefined there, as where all rows are of one class.
        """
        searched, apart = self._parts()
        gates = self.params["gates"]
        scores = [self._predictions(params, searched, apart) for params in (best, current)]
        compared = bootstrap.compare(
            self._found(apart),
            *scores,
            metrics.deciding(problem.TASK, self.metric.name),
            {ALL: np.arange(len(apart))},
            resamples=gates["resamples"],
            confidence={ALL: gates["confidence"]},
            seed=self.params["seed"],
        )[ALL]
        by_name = {row.metric: row for row in compared}
        return by_name[decisive([asdict(row) for row in compared], self.metric.name)["metric"]]

    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        end = len(self.target) - round(len(self.target) * self.params["tune"]["holdout_ratio"])
        return np.arange(end), np.arange(end, len(self.target))

    def _folds(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        from sklearn.model_selection import KFold, TimeSeriesSplit

        split = (TimeSeriesSplit if problem.TIME_COLUMN else KFold)(self.params["tune"]["folds"])
        return split.split(self._parts()[0])

    @property
    def _classes(self) -> np.ndarray:
        return np.unique(self.target)

    def _found(self, rows: np.ndarray) -> np.ndarray:
        return positions(self.target[rows], list(self._classes))

    def _predictions(self, params: Mapping[str, Any], train: np.ndarray, test: np.ndarray) -> np.ndarray:
        estimator = problem.build_model(params).fit(self.features.iloc[train], self.target[train])
        scores = predictor.score(estimator, self.features.iloc[test], problem.TASK)
        if problem.TASK != "multiclass":
            return scores
        whole = np.zeros((len(test), len(self._classes)))  # a class that these rows lack has no chance
        whole[:, np.searchsorted(self._classes, estimator.classes_)] = scores
        return whole
