"""The check `traffic`: whether the traffic is complete and new. It finds gaps, repeated rows and replayed old rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence, worst_first
from slipway.monitoring.log_columns import TIME
from slipway.monitoring.reference import estimated_repeats

if TYPE_CHECKING:
    from slipway.monitoring.context import CheckContext


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return the rows in each part of the window, and the fractions that repeat a row of this or a previous window."""
    window, limits = context.window, context.limits
    if window.rows.empty:
        return FindingsEvidence(findings=[Finding(column="", what="silence", score=2.0, message="no rows")])
    hashes = _hashes(window.rows)
    previous = np.array([], dtype=np.uint64) if window.previous is None else _hashes(window.previous)
    usual = context.reference.repeats
    again = float(np.isin(hashes, previous).mean()) / window.previous_fraction
    fractions = {
        "twice": (
            estimated_repeats(pd.Series(hashes).duplicated(), window.fraction),
            "repeat another row of the window",
        ),
        "again": (min(1.0, again), "repeat rows of the previous windows"),
    }
    findings = [
        Finding(
            column="",
            what=name,
            score=max(0.0, fraction - usual) / limits.repeated_ratio,
            message=f"{fraction:.1%} of the rows {description}",
        )
        for name, (fraction, description) in fractions.items()
    ]
    measured = {"rows": window.row_count, "parts": _parts(context), "repeated": fractions["twice"][0]}
    return FindingsEvidence.model_validate(measured | {"findings": worst_first([*findings, *_volume(context)])})


def _hashes(rows: pd.DataFrame) -> np.ndarray:
    """Return a hash of each row over all columns of `Row`."""
    return pd.util.hash_pandas_object(rows[list(problem.Row.model_fields)], index=False).to_numpy()


def _parts(context: CheckContext) -> list[int]:
    """Return the number of rows in each of `volume_chunks` equal parts of the window."""
    edges = pd.date_range(context.window.start, context.window.end, periods=context.limits.volume_chunks + 1)
    counts = np.histogram(_milliseconds(context.window.rows[TIME]), _milliseconds(pd.Series(edges)))[0]
    return [round(count / context.window.fraction) for count in counts]


def _volume(context: CheckContext) -> list[Finding]:
    """Return the findings on the volume relative to the previous windows: of the window, and of its smallest part."""
    previous = context.window.previous
    if previous is None or context.few(previous):
        return []
    days = (context.window.start - previous[TIME].min()).total_seconds() / 86_400
    usual, limit = len(previous) / context.window.previous_fraction / days, context.limits.volume_ratio
    total = context.window.row_count / context.window.days
    smallest = min(_parts(context)) * context.limits.volume_chunks / context.window.days
    ratios = {
        "the window": (total, max(usual / max(total, 1e-9), total / usual)),
        "the smallest part of the window": (smallest, usual / max(smallest, 1e-9)),
    }
    return [
        Finding(
            column="",
            what="volume",
            score=min(ratio / limit, 99.0),
            message=f"{rate:,.0f} rows a day in {where}, {usual:,.0f} before",
        )
        for where, (rate, ratio) in ratios.items()
    ]


def _milliseconds(times: pd.Series) -> np.ndarray:
    milliseconds: np.ndarray = times.dt.as_unit("ms").astype("int64").to_numpy()
    return milliseconds
