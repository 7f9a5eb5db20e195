"""Drift between the first files, which the limits of the data checks have to allow."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from slipway.scaffold.distances import NEW_RATIO, cramer, kolmogorov, noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from slipway.scaffold.plan import Plan


def pairs(
    whole: pd.DataFrame, lengths: Sequence[int], rows: int, seed: int
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield each file with the files before it, at most `rows` of each side; a single file is split in two.

    whole: rows of all files, which have so many rows each.
    """
    starts = [round(len(whole) * (1 - NEW_RATIO))] if len(lengths) == 1 else list(accumulate(lengths[:-1]))
    for start, end in pairwise([*starts, len(whole)]):
        yield _sampled(whole.iloc[start:end], rows, seed), _sampled(whole.iloc[:start], rows, seed)


def _sampled(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    return frame.sample(min(rows, len(frame)), random_state=seed)


def measure(compared: Iterable[tuple[pd.DataFrame, pd.DataFrame]], plan: Plan) -> dict[str, float]:
    """Return the largest drift of each kind over all pairs, and the distance that noise can reach at their size."""
    measured = [_of_pair(new, old, plan) for new, old in compared]
    return {kind: _largest(pair[kind] for pair in measured) for kind in measured[0]}


def _of_pair(new: pd.DataFrame, old: pd.DataFrame, plan: Plan) -> dict[str, float]:
    categories, target = set(plan.categories), plan.target.name
    numbers = [feature.name for feature in plan.features if feature.name not in categories]
    names = [feature.name for feature in plan.features]
    return {
        "numeric": _largest(kolmogorov(new[name], old[name]) for name in numbers),
        "category": _largest(cramer(new[name], old[name]) for name in categories),
        "label": _label(new[target], old[target], plan.target.task),
        "nulls": _largest(new[name].isna().mean() - old[name].isna().mean() for name in names),
        "repeats": _repeats(new, old, [*names, target]),
        "conflicts": _conflicts(new, names, target),
        "unseen": _largest(_unseen(new[name], old[name]) for name in categories),
        "noise": noise(len(new), len(old), len(names)),
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
