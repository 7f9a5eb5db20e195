"""Models of every column of a batch, given the other columns, the clock and nothing else of the row.

The models of the reference are fitted without each fold, and measure the rows of that fold. A fold is a contiguous part
of the reference, so its rows are as far from the fitted ones as those of a new file are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway.batch.batch_rows import CLOCK_COLUMNS, BatchRows
from slipway.batch.relations import LABEL_FOREST, LINEAR_TREE, ColumnModel, ModelShape
from slipway.batch.support import Support
from slipway.schema.missing import FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.batch.profile import ColumnProfile

FOLDS = 2
CLOCK_SHIFTS = (0, -60, 60)  # minutes; daylight saving moves local clocks by an hour, which is no fault
SCREEN_BINS = 8  # bins of a column where its partners are chosen
SCREEN_ROWS_MAX = 4000
MEASURES = ("errors", "predictions", "clock_errors", "codes")


@dataclass(frozen=True)
class Measured:
    """Rows with the errors of the models; n rows and c columns."""

    rows: BatchRows
    errors: np.ndarray
    """Shape (n, c): value minus prediction of a number, surprise of a category in nats; NaN where unknown."""
    predictions: np.ndarray
    """Shape (n, c): of the numbers; NaN for categories."""
    clock_errors: np.ndarray
    """Shape (n, c): of the numbers, predicted from the clock alone."""
    codes: np.ndarray
    """Shape (n, c): bin or category of each value, see `ColumnProfile.codes`."""

    def take(self, places: np.ndarray) -> Measured:
        """Return the rows at `places`."""
        return Measured(self.rows.take(places), *(getattr(self, name)[places] for name in MEASURES))

    @classmethod
    def joined(cls, rows: BatchRows, parts: Sequence[Measured], places: Sequence[np.ndarray]) -> Measured:
        """Return the measurements of all `rows`, from those of its rows at each of `places`."""
        order = np.argsort(np.concatenate(places), kind="stable")
        return cls(rows, *(np.concatenate([getattr(part, name) for part in parts])[order] for name in MEASURES))


@dataclass(frozen=True)
class ColumnModels:
    """A model for each column; None where it cannot be predicted."""

    profiles: Mapping[str, ColumnProfile]
    others: Sequence[np.ndarray]
    """Places of the columns that each model reads, in the table of `BatchRows`."""
    models: Sequence[ColumnModel | None]
    closest: Sequence[np.ndarray]
    """Places of the two columns that each model relies on most, the first most."""
    supports: Sequence[Support]
    clock_models: Sequence[ColumnModel | None]

    @classmethod
    def fit(
        cls, rows: BatchRows, profiles: Mapping[str, ColumnProfile], others: Sequence[np.ndarray], seed: int
    ) -> ColumnModels:
        """Fit the model of each column on `rows`."""
        table = rows.table(profiles)
        numeric = numeric_columns(profiles, table.shape[1])
        models = [
            ColumnModel.fit(table[:, read], table[:, place], numeric[read], column.kind, _shape(name), seed)
            for place, (read, (name, column)) in enumerate(zip(others, profiles.items(), strict=True))
        ]
        closest = [_closest(model, read) for model, read in zip(models, others, strict=True)]
        supports = [Support.of(table[:, pair]) for pair in closest]
        clock, is_line = table[:, len(profiles) :], np.zeros(len(CLOCK_COLUMNS), dtype=bool)
        clock_models = [
            ColumnModel.fit(clock, table[:, place], is_line, "number", LINEAR_TREE, seed) if numeric[place] else None
            for place in range(len(profiles) if rows.minutes is not None else 0)
        ]
        return cls(profiles, others, models, closest, supports, clock_models)

    def measure(self, rows: BatchRows) -> Measured:
        """Return the errors on `rows`, with the clock where it fits each row best.

        The label's clock is not moved: the best of several predictions would follow any label, also a shuffled one.
        """
        shape = (3, len(rows), len(self.models))
        errors, predictions, clock_errors = np.full(shape, np.nan)
        names = list(self.profiles)
        for shift in CLOCK_SHIFTS if rows.minutes is not None else CLOCK_SHIFTS[:1]:
            table = rows.table(self.profiles, shift)
            for place, (read, model) in enumerate(zip(self.others, self.models, strict=True)):
                moves = read.max(initial=0) >= len(names) and names[place] != problem.TARGET
                if model is None or not len(rows) or (shift and not moves):
                    continue
                self._improve(model, table[:, read], table[:, place], errors[:, place], predictions[:, place])
            for place, model in enumerate(self.clock_models if len(rows) else ()):
                if model is not None:
                    clock = table[:, len(self.profiles) :]
                    self._improve(model, clock, table[:, place], clock_errors[:, place], clock_errors[:, place].copy())
        table = rows.table(self.profiles)
        for place, (pair, support) in enumerate(zip(self.closest, self.supports, strict=True)):
            errors[~support.holds(table[:, pair]), place] = np.nan
        return Measured(rows, errors, predictions, clock_errors, rows.codes(self.profiles))

    def categories(self, rows: BatchRows, place: int) -> np.ndarray | str:
        """Return the most probable category of each row by the column's model; missing without one."""
        model = self.models[place]
        if model is None:
            return str(FEATURES["category"])
        codes = model.trees.predict(rows.table(self.profiles)[:, self.others[place]]).astype(int)
        labels: np.ndarray = list(self.profiles.values())[place].bins[codes - 2]
        return labels

    @staticmethod
    def _improve(
        model: ColumnModel, others: np.ndarray, values: np.ndarray, errors: np.ndarray, predictions: np.ndarray
    ) -> None:
        """Replace the errors and predictions of the rows on which the model is closer than before."""
        if model.kind == "number":
            predicted = model.predict(others)
            better = np.isnan(errors) | (np.abs(values - predicted) < np.abs(errors))
            predictions[better] = predicted[better]
            errors[better] = (values - predicted)[better]
        else:
            errors[:] = np.fmin(errors, model.surprise(others, values))


def _shape(name: str) -> ModelShape:
    return LABEL_FOREST if name == problem.TARGET else LINEAR_TREE


def _closest(model: ColumnModel | None, read: np.ndarray) -> np.ndarray:
    """Return the places of the two columns that the model relies on most; one twice where it reads a single one."""
    if model is None or not len(read):
        return np.zeros(2, dtype=int)
    order = np.argsort(-model.importance, kind="stable")
    pair: np.ndarray = read[np.resize(order, 2)]
    return pair


def numeric_columns(profiles: Mapping[str, ColumnProfile], width: int) -> np.ndarray:
    """Return which columns of a table of `width` columns are numbers that a line may follow; a clock is none."""
    numeric = [column.kind == "number" for column in profiles.values()]
    return np.array(numeric + [False] * (width - len(numeric)))


def partners(rows: BatchRows, profiles: Mapping[str, ColumnProfile], count: int) -> list[np.ndarray]:
    """Return for each column the places of the `count` columns and clocks that carry most information about it.

    The measure is the mutual information of binned values. In a narrow table each column reads all others. The target
    is nobody's partner: its relation is judged on its own, in both directions. A prediction has none, because it
    follows from the columns in any case.
    """
    names = [*profiles, *(CLOCK_COLUMNS if rows.minutes is not None else ())]
    read = {*problem.Row.model_fields, *CLOCK_COLUMNS}
    allowed = np.array([place for place, name in enumerate(names) if name in read])
    others = [
        allowed[allowed != place] if name in read or name == problem.TARGET else allowed[:0]
        for place, name in enumerate(profiles)
    ]
    if len(allowed) - 1 <= count:
        return others
    information = _information(_one_hot(rows.table(profiles)[:SCREEN_ROWS_MAX]))
    return [
        np.sort(candidates[np.argsort(-information[place, candidates], kind="stable")[:count]])
        for place, candidates in enumerate(others)
    ]


def _one_hot(table: np.ndarray) -> np.ndarray:
    """Return the bin of each value as one of `SCREEN_BINS` indicators, shape (n, columns, bins)."""
    ranks = np.argsort(np.argsort(np.nan_to_num(table, nan=-np.inf), axis=0, kind="stable"), axis=0)
    bins = ranks * SCREEN_BINS // len(table)
    return np.eye(SCREEN_BINS, dtype=np.float32)[bins]


def _information(indicators: np.ndarray) -> np.ndarray:
    """Return the mutual information of each pair of columns in nats, shape (columns, columns)."""
    count, width, bins = indicators.shape
    flat = indicators.reshape(count, width * bins)
    joint = (flat.T @ flat / count).reshape(width, bins, width, bins).transpose(0, 2, 1, 3)
    independent = flat.mean(axis=0).reshape(width, bins)
    product = independent[:, None, :, None] * independent[None, :, None, :]
    information: np.ndarray = np.where(joint > 0, joint * np.log(np.maximum(joint, 1e-12) / product), 0).sum(
        axis=(2, 3)
    )
    return information
