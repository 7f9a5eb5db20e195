"""A window of what production saw: rows, predictions, the labels that have arrived, and how the service did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

KEY = ("request_id", "index")
"""What tells one logged row from every other; the client chooses the first, by the header X-Request-ID."""
LOGGED = ("release", "time", *KEY, "prediction")
"""Columns of a live row beside those of `Row`."""


@dataclass(frozen=True)
class Service:
    """How the service answered in a window; None where nobody measured."""

    requests: int
    errors: int
    """Answers of 5xx."""
    refused: int = 0
    """Requests that broke the contract."""
    rows: int = 0
    """Predictions."""
    lost_rows: int = 0
    """Predictions that the log had no room for."""
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None
    peak_rate: float | None = None
    """Requests/s of the busiest stretch between two readings."""


@dataclass(frozen=True)
class LiveWindow:
    """Everything that is asked about, from `start` to before `end`, both UTC.

    rows: columns `LOGGED` and those of `Row`; for `multiclass`, `prediction` holds an object from class to probability.
    before: the same of the time before, or a share of it; what drift is measured against. None where there is none.
    labels: columns `LABEL_KEY` of the problem and `TARGET`, of any time; None where the problem gives none.
    """

    start: datetime
    end: datetime
    rows: pd.DataFrame
    before: pd.DataFrame | None = None
    labels: pd.DataFrame | None = None
    service: Service | None = None
    before_share: float = 1.0

    @property
    def days(self) -> float:
        """Length."""
        return (self.end - self.start).total_seconds() / 86_400

    @cached_property
    def joined(self) -> Joined:
        """The rows of the window and of the time before, with the labels that belong to them."""
        return join(pd.concat([self.before, self.rows]) if self.before is not None else self.rows, self.labels)


@dataclass(frozen=True)
class Joined:
    """Rows with their label in the column `TARGET`, missing where none has arrived; and what did not fit."""

    rows: pd.DataFrame
    labelled: int = 0
    unmatched: int = 0
    """Labels that belong to no row."""
    duplicates: int = 0
    """Labels beyond the first of a key; the last one counts."""
    conflicting: int = 0
    """Keys of which two labels differ."""


def join(rows: pd.DataFrame, labels: pd.DataFrame | None) -> Joined:
    """Give each row its label by `problem.LABEL_KEY`, or none."""
    if labels is None or labels.empty:
        return Joined(rows.assign(**{problem.TARGET: None}))
    key = list(getattr(problem, "LABEL_KEY", KEY[:1]))
    known = labels.dropna(subset=[problem.TARGET])
    last = known.drop_duplicates(key, keep="last")
    differing = known[known.duplicated(key, keep=False)].groupby(key)[problem.TARGET].nunique()
    joined = rows.merge(last[[*key, problem.TARGET]], on=key, how="left", validate="many_to_one")
    found = last.merge(rows[key].drop_duplicates(), on=key, how="inner")
    return Joined(
        joined,
        labelled=int(joined[problem.TARGET].notna().sum()),
        unmatched=len(last) - len(found),
        duplicates=len(known) - len(last),
        conflicting=int((differing > 1).sum()),
    )


def scores(predictions: pd.Series, signature: Mapping[str, object]) -> np.ndarray:
    """Logged predictions in the shape that `Predictor.predict` documents."""
    if signature["task"] != "multiclass":
        return predictions.to_numpy(dtype=float)
    names = [str(name) for name in signature["classes"]]
    return np.array([[one[name] for name in names] for one in predictions], dtype=float).reshape(-1, len(names))


def logged(scores: np.ndarray, signature: Mapping[str, object]) -> list[object]:
    """Scores as they are logged: the other way round."""
    if scores.ndim == 1:
        return scores.tolist()
    names = [str(name) for name in signature["classes"]]
    return [dict(zip(names, row, strict=True)) for row in scores.tolist()]
