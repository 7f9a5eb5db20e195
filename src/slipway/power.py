"""The verb `power`: how often the champion gate is wrong, measured on the test rows themselves.

The test rows are taken for the whole population. Two models are made whose true difference there is known exactly: none
(they err differently, but equally often), or the margin. Then rows are drawn again and again, as many as there are, and
the gate's comparison is asked each time.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import bootstrap, metrics, predictor
from slipway.compare import MODEL, PREDICTIONS, TEST_ROWS
from slipway.errors import UserError
from slipway.gates.comparison import difference
from slipway.pipeline.tables import positions, read_rows
from slipway.segments import ALL
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from slipway.metrics import Metric

NOISE = 0.3  # of the models that err differently, in units of the predictions' own spread
QUESTIONS = {
    "equal": lambda gates: (("better", "worse"), "at most", gates["false_alarms"]),
    "worse": lambda gates: (("worse",), "at least", gates["power"]),
}
"""For each pair of models: the words counted, and the share of draws in which they may, or must, be said."""

MOST_NOISE = 64.0  # then nothing is left of a model, and more would change nothing
STEPS = 40  # of halving the noise; the last is far below a rounding error


@dataclass(frozen=True)
class Trial:
    """Two models on all rows, and the gate's numbers: everything that one repetition needs."""

    metric: str
    y: np.ndarray
    candidate: np.ndarray
    champion: np.ndarray
    resamples: int
    confidence: float

    def __call__(self, seed: int) -> str:
        """What the gate says of rows drawn by `seed`."""
        # Of another stream than the gate's own resamples, which begin from the bare seed.
        rows = np.random.default_rng((seed, 1)).integers(0, len(self.y), len(self.y))
        compared = bootstrap.compare(
            self.y[rows],
            self.candidate[rows],
            self.champion[rows],
            [metrics.primary(problem.TASK, self.metric)],
            {ALL: np.arange(len(rows))},
            resamples=self.resamples,
            confidence={ALL: self.confidence},
            seed=seed,
        )
        return difference(vars(compared[ALL][0].gain))


def trials(params: Mapping[str, Any]) -> dict[str, Trial]:
    """The two questions: `equal` models, and a candidate that is `worse` by the margin."""
    _, target = read_rows(TEST_ROWS)
    scores = np.stack(pd.read_parquet(PREDICTIONS).iloc[:, 0].to_numpy())
    y = positions(target, predictor.signature(MODEL)["classes"])
    metric = metrics.primary(problem.TASK, params["gates"]["primary"])
    random = np.random.default_rng(params["seed"])
    one, other = (_blurred(scores, random.normal(size=scores.shape)) for _ in range(2))
    candidate = one(NOISE)
    level = metric.value(y, candidate)
    shared = (params["gates"]["resamples"], params["gates"]["confidence"])
    lower = metric.value(y, scores) - params["gates"]["margin"] * (1 if metric.higher_is_better else -1)
    return {
        "equal": Trial(metric.name, y, candidate, _at_level(metric, y, other, level), *shared),
        "worse": Trial(metric.name, y, _at_level(metric, y, one, lower), scores, *shared),
    }


def measure(trial: Trial, count: int, seed: int, processes: int) -> Iterator[str]:
    """What the gate says of each of `count` draws, as they come."""
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(trial, range(seed, seed + count))


def run(count: int, processes: int) -> bool:
    """Measure both, print them with the levels that they must keep, and say whether they do."""
    params = read_params()
    gates = params["gates"]
    kept = []
    for name, trial in trials(params).items():
        answers = pd.Series(list(_with_progress(name, measure(trial, count, params["seed"], processes), count)))
        words, sign, required = QUESTIONS[name](gates)
        observed, undefined = answers.isin(words).mean(), (answers == "undefined").mean()
        kept.append(not undefined and (observed <= required if sign == "at most" else observed >= required))
        print(f"{name}: {' or '.join(words)} in {observed:.1%} of {count} draws of {len(trial.y):,} rows; ", end="")
        print(f"{sign} {required:.0%} required{f'; undefined in {undefined:.1%}, which fails' if undefined else ''}")
    return all(kept)


def _with_progress(name: str, said: Iterator[str], count: int) -> Iterator[str]:
    for number, word in enumerate(said, start=1):
        if number % max(1, count // 10) == 0:
            print(f"{name}: {number} of {count}", flush=True)
        yield word


def _blurred(scores: np.ndarray, noise: np.ndarray) -> Callable[[float], np.ndarray]:
    """From an amount to the model with that much noise on its predictions, still probabilities where they were."""
    if problem.TASK == "regression":
        return lambda amount: scores + amount * scores.std() * noise
    clipped = np.clip(scores, 1e-9, 1 - 1e-9)
    if problem.TASK == "multiclass":
        logits = np.log(clipped)
        return lambda amount: _softmax(logits + amount * logits.std() * noise)
    logit = np.log(clipped / (1 - clipped))
    return lambda amount: 1 / (1 + np.exp(-(logit + amount * logit.std() * noise)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _at_level(metric: Metric, y: np.ndarray, blurred: Callable[[float], np.ndarray], level: float) -> np.ndarray:
    """The model with just so much noise that its metric on all rows is `level`."""
    low, high = 0.0, 1.0
    while metric.gain(metric.value(y, blurred(high)) - level) > 0:
        high *= 2
        if high > MOST_NOISE:
            raise UserError(f"gates.margin: no noise makes {metric.name} so much worse; choose one above chance")
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if metric.gain(metric.value(y, blurred(middle)) - level) > 0 else (low, middle)
    return blurred(high)
