"""Is what comes in traffic, and all of it? Days without rows, rows that come again, rows of the time before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem

if TYPE_CHECKING:
    from slipway.monitoring.look import Look


def evidence(look: Look) -> dict[str, Any]:
    """Rows in each part of the window, and the shares that repeat another row of it, or one of the time before."""
    window, limits = look.window, look.limits
    if window.rows.empty:
        return {"rows": 0, "findings": [_finding("silence", 2.0, "no rows at all")]}
    marks = _marks(window.rows)
    before = np.array([], dtype=np.uint64) if window.before is None else _marks(window.before)
    usual = look.reference.repeats
    again = float(np.isin(marks, before).mean()) / window.before_share
    shares = {
        "twice": (float(pd.Series(marks).duplicated().mean()), "repeat another row of the window"),
        "again": (min(1.0, again), "are rows of the time before, again"),
    }
    findings = [
        _finding(name, max(0.0, share - usual) / limits["repeated_ratio"], f"{share:.1%} of the rows {said}")
        for name, (share, said) in shares.items()
    ]
    return {
        "rows": len(window.rows),
        "parts": _parts(look),
        "repeated": shares["twice"][0],
        "findings": sorted([*findings, *_volume(look)], key=lambda one: -one["score"]),
    }


def _marks(rows: pd.DataFrame) -> np.ndarray:
    """A number for each row, equal where all columns of `Row` are equal."""
    return pd.util.hash_pandas_object(rows[list(problem.Row.model_fields)], index=False).to_numpy()


def _parts(look: Look) -> list[int]:
    """Rows in each part of the window: `volume_chunks` of equal length."""
    edges = pd.date_range(look.window.start, look.window.end, periods=look.limits["volume_chunks"] + 1)
    return np.histogram(_seconds(look.window.rows["time"]), _seconds(pd.Series(edges)))[0].tolist()


def _volume(look: Look) -> list[dict[str, Any]]:
    """How much less, or more, comes in than in the time before: in the whole window, and in its poorest part."""
    before = look.window.before
    if before is None or look.few(before):
        return []
    days = (look.window.start - before["time"].min()).total_seconds() / 86_400
    usual, limit = len(before) / look.window.before_share / days, look.limits["volume_ratio"]
    parts = look.limits["volume_chunks"]
    rates = {
        "the window": len(look.window.rows) / look.window.days,
        "a part": min(_parts(look)) * parts / look.window.days,
    }
    found = []
    for where, rate in rates.items():
        times = max(usual / max(rate, 1e-9), rate / usual if where == "the window" else 0)
        said = f"{rate:,.0f} rows a day in {where} of the window, {usual:,.0f} before".replace("the window of ", "")
        found.append(_finding("volume", min(times / limit, 99.0), said))
    return found


def _seconds(times: pd.Series) -> np.ndarray:
    return times.dt.as_unit("ms").astype("int64").to_numpy()


def _finding(what: str, score: float, said: str) -> dict[str, Any]:
    return {"column": "", "what": what, "score": score, "said": said}
