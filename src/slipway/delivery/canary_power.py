"""`slipway power --canary`: how often the canary's gate is wrong, and how soon it is right. Every figure is simulated.

The requests are drawn; what is counted, judged and done after each look is the same code as in an agent. A run is a
whole canary with the numbers of params.yaml, under its own synthetic traffic.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.delivery.agent import canary
from slipway.delivery.environment_file import Baseline, Canary
from slipway.gates.canary import BOUNDS, Counts
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BINS = 20  # of the simulated predictions, as a service of probabilities has
POWER = 0.8  # least share of the faulty canaries that must be rolled back


@dataclass(frozen=True)
class Service:
    """What a simulated service does."""

    errors: float = 0.001
    """Share of requests that fail."""
    median: float = 0.002
    """Seconds."""
    spread: float = 0.8
    """Standard deviation of the logarithm of the seconds: the sample's service had p50 1.2 ms and p99 7.2 ms."""
    stalls: float = 0.0
    """Share of seconds in which every request takes ten times as long."""
    predictions: tuple[float, float] = (2, 8)
    """Parameters of a beta distribution."""


@dataclass(frozen=True)
class Case:
    """A canary against a baseline."""

    name: str
    canary: Service
    baseline: Service = Service()
    equal: bool = False
    told: bool = False
    """Whether the figure is only shown, because the steps as shipped are too short to demand it."""
    step_seconds: float | None = None
    """In place of that of params.yaml."""


STALLING = Service(errors=0.01, stalls=0.1)
CASES = (
    Case("equal", Service(), equal=True),
    Case("equal, both fail 1% and stall in 10% of all seconds", STALLING, STALLING, equal=True),
    Case("the same, steps of five minutes", STALLING, STALLING, equal=True, step_seconds=300),
    Case("slower by 20%, the margin", Service(median=0.0024), equal=True),
    Case("errors 5% against 0.1%", Service(errors=0.05)),
    Case("errors 20% against 0.1%", Service(errors=0.2)),
    Case("latency 1.5 times", Service(median=0.003), told=True),
    Case("latency 1.5 times, steps of one minute", Service(median=0.003), step_seconds=60),
    Case("latency 2 times", Service(median=0.004)),
    Case("predictions higher, half of them above what 5% were", Service(predictions=(4, 6))),
    Case("predictions all the same", Service(predictions=(1e-6, 1))),
)


class Sides:
    """Both sides' counters, as they would be seen."""

    def __init__(self, case: Case, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._services = {"canary": case.canary, "baseline": case.baseline}
        self.counts = {side: Counts(below={f"{(cut + 1) / BINS:g}": 0 for cut in range(BINS)}) for side in canary.SIDES}

    def answer(self, requests: int) -> None:
        """Let each side answer so many more."""
        for side, service in self._services.items():
            self.counts[side] = self._answer(service, self.counts[side], requests)

    def _answer(self, service: Service, before: Counts, requests: int) -> Counts:
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
    """One simulated canary; picklable."""

    case: Case
    limits: dict[str, Any]

    def __call__(self, seed: int) -> tuple[str, int]:
        """Its outcome, and how many requests both sides had answered by then."""
        sides, steps = Sides(self.case, seed), _steps(self.limits)
        progress, now = canary.begin(1, 0.0), 0.0
        while progress.outcome is None:
            now += 1
            sides.answer(round(self.limits["synthetic_rate"] * canary.weight_percent(steps, progress.step) / 100))
            seen = {side: {"it": counts} for side, counts in sides.counts.items()}
            progress = canary.advance(progress, steps, seen, now, self.limits)
        return progress.outcome, sum(counts.requests for counts in sides.counts.values())


def measure(case: Case, limits: Mapping[str, Any], count: int, seed: int, processes: int) -> Iterator[tuple[str, int]]:
    """Outcomes of `count` runs, as they come."""
    run = Run(case, {**limits, "step_seconds": case.step_seconds or limits["step_seconds"]})
    if processes == 1:
        yield from map(run, range(seed, seed + count))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run, range(seed, seed + count), chunksize=10)


def run(count: int, processes: int) -> bool:
    """Simulate every case, print it beside what it must keep, and say whether all do."""
    params = read_params()
    limits = params["canary"]
    if not limits["synthetic_rate"]:
        limits = {**limits, "synthetic_rate": 100}
    steps, rate = limits["steps"], limits["synthetic_rate"]
    print(f"Simulated: {count} canaries each, steps of {steps} percent, {rate} requests/s.")
    kept = [_tell(case, limits, count, params["seed"], processes) for case in CASES]
    return all(kept)


def _tell(case: Case, limits: Mapping[str, Any], count: int, seed: int, processes: int) -> bool:
    ended = list(measure(case, limits, count, seed, processes))
    refused = [requests for outcome, requests in ended if outcome == "refused"]
    share, held = len(refused) / count, sum(outcome == "inconclusive" for outcome, _ in ended)
    kept = case.told or (share <= limits["false_alarms"] if case.equal else share >= POWER)
    wanted = f"at most {limits['false_alarms']:.0%} wanted" if case.equal else f"at least {POWER:.0%} wanted"
    wanted = "no share demanded" if case.told else wanted
    soon = ""
    if refused and not case.equal:
        median, late = np.quantile(refused, [0.5, 0.95])
        soon = f", after {median:,.0f} requests of both sides (95%: {late:,.0f})"
    print(f"{case.name}: rolled back {share:.1%}{soon}; {wanted}; inconclusive {held}", flush=True)
    return kept


def _steps(limits: Mapping[str, Any]) -> Canary:
    baseline = Baseline(release="v0.1.0", digest=f"sha256:{'0' * 64}", commit="0" * 40, promotion=1)
    return Canary(steps=tuple(limits["steps"]), baseline=baseline)
