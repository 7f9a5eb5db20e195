"""How much the first files differ from one another: what the limits of the data checks have to allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slipway.scaffold.plan import Plan

LAST_PART = 0.3  # of a single file, which is held against the part before it
ANOTHER = 0.95  # distance from which two periods have next to nothing in common
FALSE_ALARM = 0.001  # chance that noise alone passes a limit, for all columns together


def pairs(parts: Sequence[pd.DataFrame], rows: int, seed: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Each file beside those before it, at most `rows` of each side; a single one is cut in two."""
    if len(parts) == 1:
        first = round(len(parts[0]) * (1 - LAST_PART))
        sides = [(parts[0].iloc[first:], parts[0].iloc[:first])]
    else:
        sides = [(parts[place], pd.concat(parts[:place], ignore_index=True)) for place in range(1, len(parts))]
    return [tuple(side.sample(min(rows, len(side)), random_state=seed) for side in pair) for pair in sides]


def measure(compared: Sequence[tuple[pd.DataFrame, pd.DataFrame]], plan: Plan) -> dict[str, float]:
    """The largest difference of each kind that occurs, and what noise alone may reach at these numbers of rows."""
    categories, target = set(plan.categories), plan.target.name
    numbers = [feature.name for feature in plan.features if feature.name not in categories]
    names = [feature.name for feature in plan.features]
    return {
        "numeric": _largest(kolmogorov(new[name], old[name]) for new, old in compared for name in numbers),
        "category": _largest(_cramer(new[name], old[name]) for new, old in compared for name in categories),
        "label": _largest(_label(new[target], old[target], plan.target.task) for new, old in compared),
        "nulls": _largest(new[name].isna().mean() - old[name].isna().mean() for new, old in compared for name in names),
        "repeats": _largest(_repeats(new, old, [*names, target]) for new, old in compared),
        "conflicts": _largest(_conflicts(new, names, target) for new, _ in compared),
        "unseen": _largest(_unseen(new[name], old[name]) for new, old in compared for name in categories),
        "noise": _largest(noise(len(new), len(old), len(names)) for new, old in compared),
    }


def _largest(values: Iterable[float]) -> float:
    return max((float(value) for value in values if not pd.isna(value)), default=0.0)


def noise(new: int, old: int, columns: int) -> float:
    """Kolmogorov-Smirnov distance that the largest of `columns` equal distributions passes once in a thousand times."""
    return math.sqrt(-math.log(FALSE_ALARM / (2 * columns)) / 2 * (new + old) / (new * old))


def _label(new: pd.Series, old: pd.Series, task: str) -> float:
    return kolmogorov(new, old) if task == "regression" else _cramer(new, old)


def kolmogorov(new: pd.Series, old: pd.Series) -> float:
    """Largest distance of the two distribution functions."""
    new, old = (np.sort(side.dropna().to_numpy(dtype=float)) for side in (new, old))
    if not len(new) or not len(old):
        return 0.0
    every = np.concatenate([new, old])
    below = [np.searchsorted(side, every, side="right") / len(side) for side in (new, old)]
    return float(np.abs(below[0] - below[1]).max())


def _cramer(new: pd.Series, old: pd.Series) -> float:
    """Cramér's V of category and side: 0 where both have the same shares, 1 where they share no category."""
    counts = pd.concat([new.value_counts(), old.value_counts()], axis=1).fillna(0).to_numpy(dtype=float)
    if len(counts) < 2 or not counts.sum(axis=0).all():
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return math.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum())


def _repeats(new: pd.DataFrame, old: pd.DataFrame, names: list[str]) -> float:
    """Share of rows that occur twice, or in both."""
    keys = pd.util.hash_pandas_object(new[names], index=False)
    return max(
        float(keys.duplicated().mean()), float(keys.isin(pd.util.hash_pandas_object(old[names], index=False)).mean())
    )


def _conflicts(new: pd.DataFrame, names: list[str], target: str) -> float:
    """Share of rows whose features occur with another target too."""
    keys = pd.util.hash_pandas_object(new[names], index=False)
    return float((new[target].groupby(keys).transform("nunique") > 1).mean())


def _unseen(new: pd.Series, old: pd.Series) -> float:
    known = new.dropna()
    return float(np.mean(~known.isin(old.dropna()))) if len(known) else 0.0
