"""Statistics of the label: how well it follows from the columns, where it does, and what each column carries of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.batch.statistic_values import (
    SEGMENT_ROWS_MIN,
    StatisticKey,
    Value,
    association,
    correlation,
    fraction_of,
    log_mean,
)
from slipway.evaluation.segments import ALL, segments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.batch.batch_rows import BatchRows
    from slipway.batch.column_models import Measured
    from slipway.batch.profile import ColumnProfile
    from slipway.batch.statistic_values import Keyed


def of_target(measured: Measured, profiles: Mapping[str, ColumnProfile]) -> Keyed:
    """Yield how well the target follows, by segment compared with the others, and what each column carries of it."""
    if problem.TARGET not in profiles:
        return
    place = list(profiles).index(problem.TARGET)
    errors, is_number = measured.errors[:, place], profiles[problem.TARGET].kind == "number"
    if is_number:
        target, predicted = measured.rows.features[problem.TARGET].to_numpy(dtype=float), measured.predictions[:, place]
        yield StatisticKey("follows", problem.TARGET), correlation(predicted, target)
        yield from _of_target_segments(measured, predicted, target)
    elif len(defined := errors[~np.isnan(errors)]):
        yield StatisticKey("error", problem.TARGET), log_mean(defined)
    label_ranks = ranks(measured.codes[:, place])
    for other, (name, column) in enumerate(profiles.items()):
        if other != place:
            carries = correlation if column.kind == "number" else association
            yield StatisticKey("carries", name), carries(measured.codes[:, other], errors)
            if is_number:
                yield StatisticKey("copies", name), copied(measured.codes[:, other], label_ranks, column.kind)
    equal = row_hashes(measured.rows, problem.TARGET)
    labels = measured.rows.features[problem.TARGET].groupby(equal).transform("nunique")
    yield StatisticKey("conflicts", problem.TARGET), fraction_of(labels.to_numpy() > 1)


def _of_target_segments(measured: Measured, predicted: np.ndarray, target: np.ndarray) -> Keyed:
    """Yield how well the target follows in each segment, and how much better than elsewhere."""
    for segment, rows in segments(measured.rows.features, problem.SEGMENTS, SEGMENT_ROWS_MIN).items():
        inside = np.zeros(len(target), dtype=bool)
        inside[rows] = True
        if segment != ALL and len(target) - inside.sum() >= SEGMENT_ROWS_MIN:
            own, elsewhere = (correlation(predicted[chosen], target[chosen]) for chosen in (inside, ~inside))
            yield StatisticKey("falls", problem.TARGET, segment), own
            difference = Value(own.value - elsewhere.value, float(np.hypot(own.noise, elsewhere.noise)))
            yield StatisticKey("uneven", problem.TARGET, segment), difference


def copied(codes: np.ndarray, label_ranks: np.ndarray, kind: str) -> Value:
    """Return how closely the ranks of a column of `kind` follow those of the label, in either direction."""
    carried = (correlation if kind == "number" else association)(ranks(codes), label_ranks)
    return Value(abs(carried.value), carried.noise)


def ranks(codes: np.ndarray) -> np.ndarray:
    """Return the ranks of bins, equal ones for equal bins, shape (n,)."""
    ranks: np.ndarray = pd.Series(codes).rank().to_numpy()
    return ranks


def row_hashes(rows: BatchRows, *ignored: str) -> np.ndarray:
    """Return a hash of the values of each row, shape (n,), without the columns `ignored`."""
    hashes: np.ndarray = pd.util.hash_pandas_object(rows.features.drop(columns=list(ignored)), index=False).to_numpy()
    return hashes
