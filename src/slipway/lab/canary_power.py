"""`slipway power --canary`: error rates and detection time of the canary test, by simulation.

Only the requests are simulated; the agent's own code counts them and evaluates the canary. A run is a complete canary
with the settings of params.yaml under synthetic traffic.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway import output
from slipway.gates.canary import BOUNDS, Counts
from slipway.gates.canary_progress import SIDES, advance, begin
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.settings.operation import CanarySection

BINS = 20  # of the histogram of predictions, as in a service that predicts probabilities
POWER_MIN = 0.8  # fraction of faulty canaries that must be rolled back


@dataclass(frozen=True)
class Service:
    """Behavior of a simulated service."""

    errors: float = 0.001
    """Fraction of requests that fail."""
    median: float = 0.002
    """Median latency in seconds."""
    spread: float = 0.8
    """Standard deviation of log latency; the sample's service has p50 1.2 ms and p99 7.2 ms."""
    stalls: float = 0.0
    """Fraction of seconds in which every request takes ten times as long."""
    predictions: tuple[float, float] = (2, 8)
    """Parameters (alpha, beta) of the beta distribution of predictions."""


@dataclass(frozen=True)
class Case:
    """A simulated canary and its baseline."""

    name: str
    canary: Service
    baseline: Service = Service()
    equal: bool = False
    """Whether the canary must pass: a rollback is a false alarm."""
    informative: bool = False
    """Whether the result is only printed, because the default steps are too short to require it."""
    step_seconds: float | None = None
    """Overrides the value of params.yaml."""


STALLING = Service(errors=0.01, stalls=0.1)
CASES = (
    Case("equal", Service(), equal=True),
    Case("equal, both fail 1% and stall in 10% of all seconds", STALLING, STALLING, equal=True),
    Case("the same, steps of five minutes", STALLING, STALLING, equal=True, step_seconds=300),
    Case("slower by 20%, the margin", Service(median=0.0024), equal=True),
    Case("errors 5% against 0.1%", Service(errors=0.05)),
    Case("errors 20% against 0.1%", Service(errors=0.2)),
    Case("latency 1.5 times", Service(median=0.003), informative=True),
    Case("latency 1.5 times, steps of one minute", Service(median=0.003), step_seconds=60),
    Case("latency 2 times", Service(median=0.004)),
    Case("predictions higher, half of them above what 5% were", Service(predictions=(4, 6))),
    Case("predictions all the same", Service(predictions=(1e-6, 1))),
)


class SimulatedCounters:
    """Counters of a simulated canary and baseline, as an agent would scrape them."""

    def __init__(self, case: Case, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._services = {"canary": case.canary, "baseline": case.baseline}
        self.counts = {side: Counts(below={f"{(cut + 1) / BINS:g}": 0 for cut in range(BINS)}) for side in SIDES}

    def serve(self, requests: int) -> None:
        """Simulate `requests` further requests to each side."""
        for side, service in self._services.items():
            self.counts[side] = self._serve(service, self.counts[side], requests)

    def _serve(self, service: Service, before: Counts, requests: int) -> Counts:
        errors = int(self._random.binomial(requests, service.errors))
        median = service.median * (10 if self._random.random() < service.stalls else 1)
        seconds = median * np.exp(service.spread * self._random.normal(size=requests - errors))
        predicted = self._random.beta(*service.predictions, size=requests - errors)
        fast = np.searchsorted(np.sort(seconds), BOUNDS, side="right")
        below = np.searchsorted(np.sort(predicted), np.arange(1, BINS + 1) / BINS, side="right")
        return Counts(
            before.requests + requests,
            before.errors + errors,
            tuple(int(count) for count in before.fast + fast),
            before.rows + requests - errors,
            {name: count + int(more) for (name, count), more in zip(before.below.items(), below, strict=True)},
        )


@dataclass(frozen=True)
class Run:
    """A simulated canary; picklable."""

    case: Case
    limits: CanarySection

    def __call__(self, seed: int) -> tuple[str, int]:
        """Return the outcome and the number of requests that both sides have served until then."""
        sides, steps = SimulatedCounters(self.case, seed), self.limits.steps
        progress, now = begin(1, 0.0), 0.0
        while progress.outcome is None:
            now += 1
            sides.serve(round(self.limits.synthetic_rate * steps[progress.step] / 100))
            scrape = {side: {"service": counts} for side, counts in sides.counts.items()}
            progress = advance(progress, len(steps), scrape, now, self.limits)
        return progress.outcome, sum(counts.requests for counts in sides.counts.values())


def measure(case: Case, limits: CanarySection, count: int, seed: int, processes: int) -> Iterator[tuple[str, int]]:
    """Yield the outcomes of `count` simulated runs, see `Run`, in the order of their seeds."""
    run = Run(case, limits.model_copy(update={"step_seconds": case.step_seconds or limits.step_seconds}))
    if processes == 1:
        yield from map(run, range(seed, seed + count))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run, range(seed, seed + count), chunksize=10)


def run(count: int, processes: int) -> bool:
    """Simulate every case, print each with its requirement and return whether all are met."""
    settings = read_settings()
    limits = settings.canary
    if not limits.synthetic_rate:
        limits = limits.model_copy(update={"synthetic_rate": 100})
    output.step(
        f"Simulated: {count} canaries each, steps of {limits.steps} percent, {limits.synthetic_rate:g} requests/s."
    )
    passed = [_check(case, limits, count, settings.seed, processes) for case in CASES]
    output.record({case.name: met for case, met in zip(CASES, passed, strict=True)})
    return all(passed)


def _check(case: Case, limits: CanarySection, count: int, seed: int, processes: int) -> bool:
    """Simulate a case, print its result and return whether it meets its requirement."""
    outcomes = list(measure(case, limits, count, seed, processes))
    refused = [requests for outcome, requests in outcomes if outcome == "refused"]
    rate, inconclusive = len(refused) / count, sum(outcome == "inconclusive" for outcome, _ in outcomes)
    passed = case.informative or (rate <= limits.false_alarms if case.equal else rate >= POWER_MIN)
    required = f"at most {limits.false_alarms:.0%} required" if case.equal else f"at least {POWER_MIN:.0%} required"
    required = "not required" if case.informative else required
    detection = ""
    if refused and not case.equal:
        median, late = np.quantile(refused, [0.5, 0.95])
        detection = f", after a median of {median:,.0f} requests to both sides (95th percentile: {late:,.0f})"
    output.result_line(f"{case.name}: rolled back {rate:.1%}{detection}; {required}; inconclusive {inconclusive}")
    return passed
