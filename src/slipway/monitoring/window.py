"""A window of production: rows, predictions, the labels that have arrived, and the counters of the service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.monitoring.log_columns import label_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True)
class ServiceCounts:
    """The counters of the service over a window; None where nothing was measured."""

    requests: int
    errors: int
    """Responses with status 5xx."""
    refused: int = 0
    """Requests that violated the contract."""
    rows: int = 0
    """Predictions."""
    lost_rows: int = 0
    """Predictions that the full log dropped."""
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None
    peak_rate: float | None = None
    """Requests/s in the busiest interval between two counter snapshots."""


@dataclass(frozen=True)
class LiveWindow:
    """The input of an assessment, from `start` until before `end`, both UTC.

    rows: columns `LOGGED` and those of `Row`; for `multiclass`, `PREDICTION` maps each class to its probability.
    previous: rows of the previous windows, or a sample of them, against which drift is measured; None without any.
    labels: columns `LABEL_KEY` of the problem and `TARGET`, of any time; None if the problem provides none.
    fraction, previous_fraction: fraction of the rows, and of the previous rows, that `rows` and `previous` hold.
    """

    start: datetime
    end: datetime
    rows: pd.DataFrame
    previous: pd.DataFrame | None = None
    labels: pd.DataFrame | None = None
    service: ServiceCounts | None = None
    fraction: float = 1.0
    previous_fraction: float = 1.0

    @property
    def days(self) -> float:
        """Return the length of the window in days."""
        return (self.end - self.start).total_seconds() / 86_400

    @property
    def row_count(self) -> int:
        """Return the number of rows, estimated from those of a sample."""
        return round(len(self.rows) / self.fraction)

    @cached_property
    def joined(self) -> Joined:
        """Join the rows of this and the previous windows with their labels.

        Labels of rows that a sample lacks match none, so unmatched ones are not counted then.
        """
        rows = pd.concat([self.previous, self.rows]) if self.previous is not None else self.rows
        joined = join(rows, self.labels)
        return joined if min(self.fraction, self.previous_fraction) >= 1 else replace(joined, unmatched=0)


@dataclass(frozen=True)
class Joined:
    """Rows with their label in the column `TARGET`, missing where none has arrived, and counts of the join."""

    rows: pd.DataFrame
    labeled: int = 0
    unmatched: int = 0
    """Labels that match no row."""
    duplicates: int = 0
    """Labels in excess of one per key; the last one counts."""
    conflicting: int = 0
    """Keys with contradicting labels."""


def join(rows: pd.DataFrame, labels: pd.DataFrame | None) -> Joined:
    """Join each row with its label by `problem.LABEL_KEY`."""
    if labels is None or labels.empty:
        return Joined(rows.assign(**{problem.TARGET: None}))
    key = list(label_key().values())
    present = labels.rename(columns=label_key()).dropna(subset=[problem.TARGET])
    last = present.drop_duplicates(key, keep="last")
    differing = present[present.duplicated(key, keep=False)].groupby(key)[problem.TARGET].nunique()
    joined = rows.merge(last[[*key, problem.TARGET]], on=key, how="left", validate="many_to_one")
    matched = last.merge(rows[key].drop_duplicates(), on=key, how="inner")
    return Joined(
        joined,
        labeled=int(joined[problem.TARGET].notna().sum()),
        unmatched=len(last) - len(matched),
        duplicates=len(present) - len(last),
        conflicting=int((differing > 1).sum()),
    )


def scores(predictions: pd.Series, signature: Mapping[str, Any]) -> np.ndarray:
    """Return logged predictions in the shape that `Predictor.predict` documents."""
    if signature["task"] != "multiclass":
        return predictions.to_numpy(dtype=float)
    names = [str(name) for name in signature["classes"]]
    rows = [[prediction[name] for name in names] for prediction in predictions]
    return np.array(rows, dtype=float).reshape(-1, len(names))


def logged(scores: np.ndarray, signature: Mapping[str, Any]) -> list[Any]:
    """Return the scores of a model as the prediction log has them; the inverse of `scores`."""
    if scores.ndim == 1:
        return list(scores.tolist())
    names = [str(name) for name in signature["classes"]]
    return [dict(zip(names, row, strict=True)) for row in scores.tolist()]
