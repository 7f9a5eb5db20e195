"""The command `power`: the error rates of the champion gate, measured on the test rows.

The test rows stand in for the population, so the true difference of two models is known exactly. It is zero for a pair
with equal error rates but different errors, and the margin for the other pair. Each trial draws as many rows with
replacement as there are, and runs the gate's comparison on them.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

import problem
from slipway import output, predictor
from slipway.errors import MissingFileError, SettingError
from slipway.evaluation import bootstrap, metrics
from slipway.evaluation.segments import ALL
from slipway.gates.comparison import difference
from slipway.pipeline.tables import positions, read_target
from slipway.pull_request.compare import MODEL, PREDICTIONS, TEST_ROWS
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway.evaluation.metrics import Metric
    from slipway.settings import Settings
    from slipway.settings.training import GatesSection

NOISE_SCALE = 0.3  # of the models with different errors, relative to the spread of the predictions
NOISE_SCALE_MAX = 64.0  # leaves nothing of a model; more would change nothing
BISECTION_STEPS = 40  # the last one is far below a rounding error


@dataclass(frozen=True)
class Requirement:
    """The rate of `decisions` that the gate has to keep for one pair of models."""

    decisions: tuple[str, ...]
    bound: Literal["at most", "at least"]
    rate: float

    def is_met(self, observed: float) -> bool:
        """Return whether the `observed` rate satisfies the bound."""
        return observed <= self.rate if self.bound == "at most" else observed >= self.rate


@dataclass(frozen=True)
class GateTrial:
    """The predictions of two models on all rows, and the parameters of the gate."""

    metric: str
    y: np.ndarray
    candidate: np.ndarray
    champion: np.ndarray
    resamples: int
    confidence: float

    def __call__(self, seed: int) -> str:
        """Return the gate's decision on rows drawn with `seed`."""
        # A stream separate from the gate's own resamples, which start from the bare seed.
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
        return difference(compared[ALL][0].gain)


def requirements(gates: GatesSection) -> dict[str, Requirement]:
    """Return the requirement on each pair of models; `gates` is the section `gates` of params.yaml."""
    return {
        "equal": Requirement(("better", "worse"), "at most", gates.false_alarms),
        "worse": Requirement(("worse",), "at least", gates.power),
    }


def trials(settings: Settings) -> dict[str, GateTrial]:
    """Return both pairs of models: `equal` ones, and a candidate that is `worse` by the margin."""
    if not TEST_ROWS.is_file():
        raise MissingFileError(f"{TEST_ROWS}: not found; run `slipway train`")
    scores = np.stack(list(pd.read_parquet(PREDICTIONS).iloc[:, 0]))
    y = positions(read_target(TEST_ROWS), predictor.signature(MODEL)["classes"])
    metric = metrics.primary(problem.TASK, settings.gates.primary)
    random = np.random.default_rng(settings.seed)
    first, second = (_blurred(scores, random.normal(size=scores.shape)) for _ in range(2))
    candidate = first(NOISE_SCALE)
    level = metric.value(y, candidate)
    resamples, confidence = settings.gates.resamples, settings.gates.confidence
    lower = metric.value(y, scores) - settings.gates.margin * (1 if metric.higher_is_better else -1)
    equal, worse = _at_level(metric, y, second, level), _at_level(metric, y, first, lower)
    return {
        "equal": GateTrial(metric.name, y, candidate, equal, resamples, confidence),
        "worse": GateTrial(metric.name, y, worse, scores, resamples, confidence),
    }


def measure(trial: GateTrial, count: int, seed: int, processes: int) -> Iterator[str]:
    """Yield the gate's decision in each of `count` trials, in order."""
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(trial, range(seed, seed + count))


def run(count: int, processes: int) -> bool:
    """Measure and print both error rates with their requirements; return whether both are met."""
    settings = read_settings()
    required = requirements(settings.gates)
    outcomes, rates = [], {}
    for name, trial in trials(settings).items():
        decisions = pd.Series(list(_with_progress(name, measure(trial, count, settings.seed, processes), count)))
        requirement = required[name]
        observed = float(decisions.isin(requirement.decisions).mean())
        undefined = float((decisions == "undefined").mean())
        outcomes.append(not undefined and requirement.is_met(observed))
        wording = " or ".join(requirement.decisions)
        failure = f"; undefined in {undefined:.1%}, which fails" if undefined else ""
        required_rate = f"{requirement.bound} {requirement.rate:.0%} required{failure}"
        draws = f"{observed:.1%} of {count} draws of {len(trial.y):,} rows"
        output.result_line(f"{name}: {wording} in {draws}; {required_rate}")
        rates[name] = observed
    output.record(rates)
    return all(outcomes)


def _with_progress(name: str, decisions: Iterator[str], count: int) -> Iterator[str]:
    for number, decision in enumerate(decisions, start=1):
        if number % max(1, count // 10) == 0:
            output.progress(f"{name}: {number} of {count}")
        yield decision


def _blurred(scores: np.ndarray, noise: np.ndarray) -> Callable[[float], np.ndarray]:
    """Return a function from a noise scale to noisy predictions; probabilities stay probabilities."""

    def regression(scale: float) -> np.ndarray:
        blurred: np.ndarray = scores + scale * scores.std() * noise
        return blurred

    if problem.TASK == "regression":
        return regression
    clipped = np.clip(scores, 1e-9, 1 - 1e-9)
    if problem.TASK == "multiclass":
        logits = np.log(clipped)
        return lambda scale: _softmax(logits + scale * logits.std() * noise)
    logit = np.log(clipped / (1 - clipped))
    return lambda scale: _sigmoid(logit + scale * logit.std() * noise)


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = 1 / (1 + np.exp(-logit))
    return probabilities


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _at_level(metric: Metric, y: np.ndarray, blurred: Callable[[float], np.ndarray], level: float) -> np.ndarray:
    """Return the predictions whose noise scale gives `metric` the value `level` on all rows, found by bisection.

    Raises UserError if no noise makes the model that bad.
    """
    low, high = 0.0, 1.0
    while metric.gain(metric.value(y, blurred(high)) - level) > 0:
        high *= 2
        if high > NOISE_SCALE_MAX:
            raise SettingError(f"gates.margin: no noise makes {metric.name} so much worse; choose a smaller margin")
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if metric.gain(metric.value(y, blurred(middle)) - level) > 0 else (low, middle)
    return blurred(high)
