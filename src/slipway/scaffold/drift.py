"""Drift between the first files, which the limits of the data checks have to allow."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from slipway.scaffold.distances import NEW_RATIO, cramer, kolmogorov, noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slipway.scaffold.plan import Plan


def pairs(files: Sequence[pd.DataFrame], rows: int, seed: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return each file with the files before it, at most `rows` of each side; a single file is split in two."""
    whole = files[0] if len(files) == 1 else pd.concat(files, ignore_index=True)
    starts = [round(len(whole) * (1 - NEW_RATIO))] if len(files) == 1 else list(accumulate(map(len, files[:-1])))
    sides = [(whole.iloc[start:end], whole.iloc[:start]) for start, end in pairwise([*starts, len(whole)])]
    return [(_sampled(new, rows, seed), _sampled(old, rows, seed)) for new, old in sides]


def _sampled(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    return frame.sample(min(rows, len(frame)), random_state=seed)


def measure(compared: Sequence[tuple[pd.DataFrame, pd.DataFrame]], plan: Plan) -> dict[str, float]:
    """Return the largest drift of each kind over all pairs, and the distance that noise can reach at their size."""
    categories, target = set(plan.categories), plan.target.name
    numbers = [feature.name for feature in plan.features if feature.name not in categories]
    names = [feature.name for feature in plan.features]
    return {
        "numeric": _largest(kolmogorov(new[name], old[name]) for new, old in compared for name in numbers),
        "category": _largest(cramer(new[name], old[name]) for new, old in compared for name in categories),
        "label": _largest(_label(new[target], old[target], plan.target.task) for new, old in compared),
        "nulls": _largest(new[name].isna().mean() - old[name].isna().mean() for new, old in compared for name in names),
        "repeats": _largest(_repeats(new, old, [*names, target]) for new, old in compared),
        "conflicts": _largest(_conflicts(new, names, target) for new, _ in compared),
        "unseen": _largest(_unseen(new[name], old[name]) for new, old in compared for name in categories),
        "noise": _largest(noise(len(new), len(old), len(names)) for new, old in compared),
    }


def _largest(values: Iterable[float]) -> float:
    return max((float(value) for value in values if not pd.isna(value)), default=0.0)


def _label(new: pd.Series, old: pd.Series, task: str) -> float:
    return kolmogorov(new, old) if task == "regression" else cramer(new, old)


def _repeats(new: pd.DataFrame, old: pd.DataFrame, names: list[str]) -> float:
    """Return the fraction of rows that occur twice, or in both frames."""
    keys = pd.util.hash_pandas_object(new[names], index=False)
    return max(
        float(keys.duplicated().mean()), float(keys.isin(pd.util.hash_pandas_object(old[names], index=False)).mean())
    )


def _conflicts(new: pd.DataFrame, names: list[str], target: str) -> float:
    """Return the fraction of rows whose features also occur with another target."""
    keys = pd.util.hash_pandas_object(new[names], index=False)
    return float((new[target].groupby(keys).transform("nunique") > 1).mean())


def _unseen(new: pd.Series, old: pd.Series) -> float:
    values = new.dropna()
    return float(np.mean(~values.isin(set(old.dropna())))) if len(values) else 0.0
