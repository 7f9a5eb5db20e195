"""Bootstrap: resamples of rows or of blocks of rows, percentile intervals, and the paired comparison of two models.

SciPy's `bootstrap` calls the statistic once per resample and segment. Here, all metrics and segments share matrices of
weights for batches of resamples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.evaluation.compared import Comparison, Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.evaluation.metrics import Metric, Weighted

BATCH_RESAMPLES_MAX = 64  # weights of a segment of 5,000 rows then fit into a processor's cache
BATCH_WEIGHTS_MAX = 2**22  # 16 MB in float32; up to 65,536 rows do not reach it
EXACT_ROWS_MAX = 2**23  # sums of two counts of so many rows are exact in float32
BATCH_BLOCK_RESAMPLES_MAX = 50  # weights of 50,000 rows then take 20 MB


def compare(
    y: np.ndarray,
    candidate: np.ndarray,
    champion: np.ndarray,
    metrics: Sequence[Metric],
    groups: Mapping[str, np.ndarray],
    *,
    resamples: int,
    confidence: Mapping[str, float],
    seed: int,
) -> dict[str, list[Comparison]]:
    """Compare two models by every metric on every group of rows.

    y: targets, shape (n,).
    candidate, champion: predictions as `Predictor.predict` returns them.
    groups: row positions by group; all groups share the same resamples.
    confidence: confidence of the intervals by group, between 0 and 1.
    Returns the comparisons of each group, in the order of `metrics`.
    """
    sides = {
        (group, metric.name): (metric.on(y[rows], candidate[rows]), metric.on(y[rows], champion[rows]))
        for group, rows in groups.items()
        for metric in metrics
    }
    drawn: dict[tuple[str, str], list[np.ndarray]] = {key: [] for key in sides}
    for weights in row_weights(len(y), resamples, seed):
        for group, rows in groups.items():
            chosen = weights if len(rows) == len(y) else weights.take(rows, axis=0)
            for metric in metrics:
                key = group, metric.name
                drawn[key].append(np.stack([side(chosen) for side in sides[key]]))
    return {
        group: [
            _comparison(metric, len(rows), sides[group, metric.name], drawn[group, metric.name], confidence[group])
            for metric in metrics
        ]
        for group, rows in groups.items()
    }


def row_weights(rows: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """Yield batches of weights, shape (rows, resamples in the batch): the number of times that each row is drawn."""
    random = np.random.default_rng(seed)
    batch_size = max(1, min(BATCH_RESAMPLES_MAX, BATCH_WEIGHTS_MAX // max(1, rows)))
    for start in range(0, count, batch_size):
        size = min(batch_size, count - start)
        batch = [np.bincount(random.integers(0, rows, rows), minlength=rows) for _ in range(size)]
        yield np.array(batch, dtype=np.float32 if rows <= EXACT_ROWS_MAX else np.float64).T.copy()


def block_weights(blocks: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """Yield batches of weights as `row_weights` does, for draws of whole blocks: rows of a block are correlated.

    blocks: the block of each row, shape (n,).
    """
    random, numbers = np.random.default_rng(seed), np.unique(blocks, return_inverse=True)[1]
    number = numbers.max() + 1
    for start in range(0, count, BATCH_BLOCK_RESAMPLES_MAX):
        size = min(BATCH_BLOCK_RESAMPLES_MAX, count - start)
        draws = random.multinomial(number, np.full(number, 1 / number), size=size)
        yield draws.T[numbers].astype(np.float64)


def _comparison(
    metric: Metric, rows: int, sides: tuple[Weighted, Weighted], drawn: list[np.ndarray], confidence: float
) -> Comparison:
    unweighted = np.ones((rows, 1), dtype=np.float32)
    candidate, champion = (float(side(unweighted)[0]) for side in sides)
    resampled = np.concatenate(drawn, axis=1)
    return Comparison(
        metric=metric.name,
        rows=rows,
        candidate=interval(candidate, resampled[0], confidence),
        champion=interval(champion, resampled[1], confidence),
        gain=interval(metric.gain(candidate - champion), metric.gain(resampled[0] - resampled[1]), confidence),
    )


def interval(value: float, drawn: np.ndarray, confidence: float) -> Interval:
    """Return `value` with the percentile interval of its resamples `drawn`, shape (resamples,).

    It is undefined if any resample is, such as one with a single class of a segment.
    """
    if np.isnan(value) or np.isnan(drawn).any():
        return Interval(value=value, low=np.nan, high=np.nan)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=value, low=float(low), high=float(high))
