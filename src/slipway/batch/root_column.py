"""The column behind findings of several columns.

A broken column breaks the relations of its neighbors too. So each candidate is replaced by its prediction from the
others, one at a time: without the broken column, the neighbors follow again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation.segments import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.batch.batch_reference import BatchReference
    from slipway.batch.batch_rows import BatchRows
    from slipway.batch.column_models import Measured
    from slipway.batch.interval import Excess

CANDIDATES_MAX = 6  # columns with the highest scores; each takes a prediction of all columns
RELATIONS = frozenset({"error", "outliers", "bias", "falls"})
LABEL_RELATIONS = frozenset({"follows", "carries"})


def root_column(reference: BatchReference, measured: Measured, excesses: Sequence[Excess]) -> str | None:
    """Return the column whose replacement leaves the other columns most usual; None for fewer than two.

    excesses: worst first.
    """
    scores: dict[str, float] = {}
    for excess in excesses:
        if excess.score > 1 and excess.key.segment == ALL and excess.key.statistic in RELATIONS:
            scores.setdefault(excess.key.column, excess.score)
    if len(scores) < 2:
        return None
    left = {name: _left(reference, measured, name) for name in list(scores)[:CANDIDATES_MAX]}
    return min(left, key=lambda name: left[name])


def _left(reference: BatchReference, measured: Measured, name: str) -> float:
    """Return how unusual the relations of the other columns and of the label are without `name`, and its predictions.

    What is within the limits counts too: of two columns that determine each other, either repairs all the rest.
    """
    repaired = reference.measure(_without(reference, measured, name))
    left = 0.0
    for excess in reference.excesses(reference.statistics(repaired)):
        statistic, column, segment = excess.key
        if column == name and statistic == "shape":
            left += max(0.0, excess.score)
        elif column != name and segment == ALL and statistic in RELATIONS | LABEL_RELATIONS:
            left += excess.score
    return left


def _without(reference: BatchReference, measured: Measured, name: str) -> BatchRows:
    """Return the rows with the predictions of `name` for its values."""
    place = list(reference.profiles).index(name)
    if reference.profiles[name].kind == "number":
        return measured.rows.assigned(name, measured.predictions[:, place].astype(np.float32))
    return measured.rows.assigned(name, reference.models.categories(measured.rows, place))
