"""Contributions of the columns of a row to its prediction, and of several rows to their mean prediction, by any model.

They are Shapley values of the game whose players are the columns: a coalition is worth the mean prediction over
background rows in which the columns of the coalition have the values of the explained row (interventional, as in
SHAP's TreeExplainer). They are estimated by permutation walks: from a background row, the columns change one after the
other, in random order, to those of the explained row, and each change of the prediction belongs to its column. Each
walk has an antithetic one in the reverse order, which cancels the error of pairs of columns.

Source: Mitchell, Cooper, Frank, Holmes, Sampling Permutations for Shapley Value Estimation, JMLR 23 (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway.predictor import as_inputs

if TYPE_CHECKING:
    from slipway.predictor import Columns, Predictor

CHUNK_ROWS = 1000  # mixed rows scored in one call; larger calls are not faster, and hold Python's lock for longer
SEED = 0  # of the orders, so that the same row has the same explanation


@dataclass(frozen=True)
class Explanation:
    """Explanation of a prediction, or of the mean of several.

    k is the number of classes, or 1 for a model that predicts a single number.
    """

    columns: tuple[str, ...]
    """Names of the c explained columns."""
    prediction: np.ndarray
    """Prediction for the row, or the mean for several, shape (k,)."""
    base: np.ndarray
    """Mean prediction of the background rows, shape (k,)."""
    contributions: np.ndarray
    """Shape (c, k); they add up to prediction minus base."""
    standard_errors: np.ndarray
    """Standard error of each contribution over the background rows and walks, shape (c, k)."""


class Explainer:
    """Explains predictions of one model against fixed background rows.

    `background` has a sequence of n values, at least two, for each column to explain. Other columns of the model keep
    the values of the explained row; columns that the model does not read are ignored. `walks` is the number of pairs of
    walks from each background row.
    """

    def __init__(self, predictor: Predictor, background: Columns, walks: int) -> None:
        self.signature = predictor.signature
        self._predictor = predictor
        self._background = self._arrays(background)
        self._names = tuple(self._background)
        self._rows = len(next(iter(self._background.values())))
        orders = np.tile(np.arange(len(self._names)), (self._rows * walks, 1))
        self._ranks = np.random.default_rng(SEED).permuted(orders, axis=1)
        self._places = np.repeat(np.arange(self._rows), walks)  # background row of each walk

    def explain(self, rows: Columns) -> Explanation:
        """Return the explanation of the prediction for a single row, or of the mean prediction for several rows.

        `rows` has a sequence of m values for each column. Each background row is paired with one of the first n rows,
        in their order and again from the first, so n rows in random order give the smallest standard error.
        Raises ValueError where the model returns NaN or infinity.
        """
        values = self._arrays(rows)
        count = min(self._rows, len(next(iter(values.values()))))
        targets = np.arange(self._rows) % count  # row at the end of the walks from each background row
        every = np.arange(self._rows + count)
        is_end = every >= self._rows
        scores = self._score(
            values, is_end[:, None], every % self._rows, np.concatenate([targets, every[self._rows :] - self._rows])
        )
        starts, ends = scores[: self._rows], scores[self._rows :][targets]
        gains = np.concatenate([self._gains(values, chunk, targets, starts, ends) for chunk in self._chunks()])
        means = gains.reshape(self._rows, -1, *gains.shape[1:]).mean(axis=1)
        return Explanation(
            columns=self._names,
            prediction=ends.mean(axis=0) if count > 1 else ends[0],
            base=starts.mean(axis=0),
            contributions=means.mean(axis=0),
            standard_errors=means.std(axis=0, ddof=1) / np.sqrt(self._rows),
        )

    def _chunks(self) -> list[slice]:
        size = max(1, CHUNK_ROWS // (2 * len(self._names)))
        return [slice(start, start + size) for start in range(0, len(self._ranks), size)]

    def _gains(
        self, values: dict[str, np.ndarray], chunk: slice, targets: np.ndarray, starts: np.ndarray, ends: np.ndarray
    ) -> np.ndarray:
        """Return the mean gain of each column in the pairs of walks of a chunk, shape (walks, c, k).

        `targets`, and the predictions `starts` and `ends`, have an entry for each background row.
        """
        ranks, places = self._ranks[chunk], self._places[chunk]
        walks, columns = ranks.shape
        sizes = np.arange(1, columns)
        forward = ranks[:, None, :] < sizes[:, None]  # (walks, c - 1, c): the columns that have changed after each step
        mask = np.stack([forward, ~forward[:, ::-1]])
        mixed = np.tile(np.repeat(places, columns - 1), 2)
        kinds = starts.shape[1]
        inner = np.empty((0, kinds))
        if len(mixed):
            inner = self._score(values, mask.reshape(-1, columns), mixed, targets[mixed])
        first, last = (np.broadcast_to(side[places][None, :, None], (2, walks, 1, kinds)) for side in (starts, ends))
        steps = np.diff(np.concatenate([first, inner.reshape(2, walks, columns - 1, kinds), last], axis=2), axis=2)
        pair = (steps[0] + steps[1, :, ::-1]) / 2
        gains: np.ndarray = np.take_along_axis(pair, ranks[:, :, None], axis=1)
        return gains

    def _score(
        self, values: dict[str, np.ndarray], mask: np.ndarray, places: np.ndarray, targets: np.ndarray
    ) -> np.ndarray:
        """Return the predictions, shape (n, k), of background rows in which the columns of `mask` are a row's.

        `mask` has the shape (n, c), or (n, 1) for all columns; `places` are the background rows, and `targets` the
        positions in `values`, shape (n,).
        """
        mask = np.broadcast_to(mask, (len(places), len(self._names)))
        mixed = {name: value[targets] for name, value in values.items() if name not in self._background}
        for place, (name, background) in enumerate(self._background.items()):
            value = values[name]
            mixed[name] = np.where(mask[:, place], value if len(value) == 1 else value[targets], background[places])
        scores = self._predictor.predict(mixed)
        if not np.isfinite(scores).all():
            raise ValueError("the model returned NaN or infinity for a mixture of a background row and the row")
        return scores.reshape(len(places), -1)

    def _arrays(self, columns: Columns) -> dict[str, np.ndarray]:
        present = [column for column in self.signature["columns"] if column["name"] in columns]
        return {name: values.ravel() for name, values in as_inputs({"columns": present}, columns).items()}
