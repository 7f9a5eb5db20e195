"""Gate of a canary: sequential tests of the canary against a baseline of the same age, and the resulting decision.

Three checks run after every window of requests: does the canary fail more often, respond more slowly, or predict a
different distribution? Each check bets against its null hypothesis and accumulates the winnings as an e-process, whose
expectation never exceeds 1 under the null. By Ville's inequality it then reaches 1 / level with probability at most
`level`, however often it is evaluated (Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
anytime-valid inference", 2023). The bets of a check are averaged, which gives an e-process again. The checks divide the
level among them.

- Errors: given the failures in a window, the canary's count is hypergeometric if both sides are equal, whatever the
  traffic split. The bets are on odds ratios above 1 (a conditional test of two proportions, after Turner, Ly and
  Grünwald, "Generic E-variables for exact sequential k-sample tests", 2021). Assumes that requests fail independently:
  a burst of failures on the canary alone rolls back.
- Latency: did a larger fraction of the canary's requests exceed the baseline's quantile plus a margin than of the
  baseline's exceed the quantile itself? If the canary is no slower, yes is no likelier than no, even when requests
  stall together. This is a sign test that bets on a coin, one window at a time. Previous windows give the quantile.
- Predictions: for each bin edge of the histogram, does the fraction of predictions below it differ by more than the
  accepted shift? The bets are exponential, after Hoeffding (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
  nonparametric, nonasymptotic confidence sequences", 2021). Assumes that both sides receive requests from the same
  distribution with about equally many rows each; rows of one request may be dependent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from slipway.gates.verdict import Outcome, Verdict, overall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.settings.operation import CanarySection

BOUNDS = tuple(float(f"{0.0005 * 1.1**power:.3g}") for power in range(105))
"""Bin edges of the latency histogram, in seconds, from 0.5 ms to 10 s."""
ODDS_RATIOS = (2, 5, 10, 30, 100)
"""Bets on the odds ratio of a failure, canary to baseline."""
QUANTILES = (0.5, 0.9, 0.99)
"""Quantiles of the baseline's latency that the canary must not exceed."""
SLOWER_PROBABILITIES = (0.55, 0.65, 0.75, 0.85, 0.95)
"""Bets on the probability that the canary is the slower side in a window."""
SHIFTS = (0.05, 0.1, 0.2, 0.4)
"""Bets on the shift of the fraction of predictions below a bin edge, in excess of the accepted shift."""
LOG_MAX = 700  # of a number that `math.exp` can return
CHECKS = ("errors", "latency", "predictions")


class Decision(StrEnum):
    """Decision on a canary."""

    PROCEED = "proceed"
    HOLD = "hold"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Counts:
    """Cumulative counts of one side since it started."""

    requests: int = 0
    errors: int = 0
    """Responses that are not a success."""
    fast: tuple[int, ...] = (0,) * len(BOUNDS)
    """Successes within each latency of `BOUNDS`."""
    rows: int = 0
    """Predicted rows."""
    below: dict[str, int] = field(default_factory=dict)
    """Predictions at or below each bin edge of the histogram."""

    def minus(self, other: Counts) -> Counts:
        """Return the counts since `other`, an earlier sample."""
        return Counts(
            self.requests - other.requests,
            self.errors - other.errors,
            tuple(now - before for now, before in zip(self.fast, other.fast, strict=True)),
            self.rows - other.rows,
            {name: count - other.below.get(name, 0) for name, count in self.below.items()},
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """Every count, in a flat tuple."""
        return (self.requests, self.errors, self.rows, *self.fast, *self.below.values())

    @property
    def is_finite(self) -> bool:
        """Return whether no count is NaN or infinite."""
        return all(map(math.isfinite, self.numbers))


@dataclass(frozen=True)
class CanaryEvidence:
    """Latest counts of both sides, and the log winnings of every bet by check."""

    canary: Counts = field(default_factory=Counts)
    baseline: Counts = field(default_factory=Counts)
    windows: int = 0
    won: dict[str, dict[str, float]] = field(default_factory=lambda: {name: {} for name in CHECKS})
    missing: str = ""
    """Reason for which the latest sample could not be used; empty when it was used."""

    def log_e_value(self, check: str) -> float:
        """Return the logarithm of the e-value against the hypothesis that the canary is no worse."""
        won = self.won[check].values()
        return _log_sum(list(won)) - math.log(len(won)) if won else 0.0


@dataclass(frozen=True)
class Judgment:
    """A decision and the verdicts behind it."""

    decision: Decision
    verdicts: tuple[Verdict, ...]


def observe(
    evidence: CanaryEvidence, canary: Counts | None, baseline: Counts | None, limits: CanarySection
) -> CanaryEvidence:
    """Return the evidence with a new sample of both sides' counts.

    Bets are placed once a side has answered `window_requests` more requests. `limits` is the section `canary` of
    `params.yaml`. A sample that is None, not finite or smaller than the previous one counts as missing.
    """
    missing = _missing("canary", canary, evidence.canary) or _missing("baseline", baseline, evidence.baseline)
    if missing or canary is None or baseline is None:
        return replace(evidence, missing=missing)
    new, old = canary.minus(evidence.canary), baseline.minus(evidence.baseline)
    if max(new.requests, old.requests) < limits.window_requests:
        return replace(evidence, missing="")
    won = {
        "errors": _bet_on_errors(evidence.won["errors"], new, old),
        "latency": _bet_on_latency(evidence.won["latency"], new, old, evidence.baseline, limits.latency_margin),
        "predictions": _bet_on_predictions(evidence.won["predictions"], new, old, limits.prediction_shift),
    }
    return CanaryEvidence(canary, baseline, evidence.windows + 1, won)


def judge(evidence: CanaryEvidence, before: tuple[int, int], seconds: float, limits: CanarySection) -> Judgment:
    """Judge a step that began `seconds` ago, when canary and baseline had answered `before` requests.

    Rolls back on evidence that the canary is worse. Also rolls back when the evidence is still insufficient
    `hold_seconds` after the end of the step; then a verdict is inconclusive, and none failed.
    """
    verdicts = (
        _metrics(evidence),
        _requests(evidence, before, limits.minimum_requests),
        *(_check(evidence, name, limits.false_alarms / len(CHECKS)) for name in CHECKS),
    )
    outcome, timeout_seconds = overall(verdicts), limits.step_seconds + limits.hold_seconds
    if outcome is Outcome.FAIL or (outcome is Outcome.INCONCLUSIVE and seconds > timeout_seconds):
        return Judgment(Decision.ROLL_BACK, verdicts)
    passed = outcome is Outcome.PASS and seconds >= limits.step_seconds
    return Judgment(Decision.PROCEED if passed else Decision.HOLD, verdicts)


def _missing(side: str, counts: Counts | None, before: Counts) -> str:
    if counts is None:
        return f"no metrics of the {side}"
    if not counts.is_finite:
        return f"metrics of the {side} are not finite numbers"
    if counts.requests and not counts.below:
        return f"the {side} exports no histogram of its predictions"
    return f"counters of the {side} decreased" if min(counts.minus(before).numbers) < 0 else ""


def _bet_on_errors(won: Mapping[str, float], canary: Counts, baseline: Counts) -> dict[str, float]:
    return {
        str(ratio): won.get(str(ratio), 0.0)
        + canary.errors * math.log(ratio)
        - _log_expected(ratio, canary.requests, baseline.requests, canary.errors + baseline.errors)
        for ratio in ODDS_RATIOS
    }


def _log_expected(ratio: float, canary: int, baseline: int, failed: int) -> float:
    """Return log E[ratio ** k], where k of `failed` requests, drawn without replacement, are the canary's."""
    terms = [
        _log_choose(canary, k) + _log_choose(baseline, failed - k) + k * math.log(ratio)
        for k in range(max(0, failed - baseline), min(failed, canary) + 1)
    ]
    return _log_sum(terms) - _log_choose(canary + baseline, failed)


def _bet_on_latency(
    won: Mapping[str, float], canary: Counts, baseline: Counts, before: Counts, margin: float
) -> dict[str, float]:
    answered = max(canary.requests, baseline.requests)
    bets = {}
    for quantile in QUANTILES:
        bounds = _bounds(before, quantile, margin)
        excess = _slow(canary, bounds[0], answered) - _slow(baseline, bounds[1], answered) if bounds else 0.0
        for slower in SLOWER_PROBABILITIES:
            name = f"{quantile:g} {slower:g}"
            probability = slower if excess > 0 else 1 - slower
            bets[name] = won.get(name, 0.0) + (math.log(2 * probability) if excess else 0.0)
    return bets


def _slow(side: Counts, bound: int, answered: int) -> float:
    """Return the fraction of requests slower than `BOUNDS[bound]`, without failures.

    A request that only the other side has answered so far counts as slow.
    """
    pending, successes = answered - side.requests, side.requests - side.errors
    return (pending + successes - side.fast[bound]) / (pending + successes) if pending + successes else 0.0


def _bounds(before: Counts, quantile: float, margin: float) -> tuple[int, int] | None:
    """Return the positions in `BOUNDS` of the canary's and the baseline's limit; None without successes before."""
    baseline = _quantile_position(before, quantile)
    if baseline is None:
        return None
    limit = BOUNDS[baseline] * (1 + margin)
    canary = next((position for position, bound in enumerate(BOUNDS) if bound >= limit), None)
    return None if canary is None else (canary, baseline)


def _quantile_position(side: Counts, quantile: float) -> int | None:
    """Return the position in `BOUNDS` of a latency quantile; None without successes or above the last bound."""
    successes = side.requests - side.errors
    reached = (position for position, count in enumerate(side.fast) if successes and count >= quantile * successes)
    return next(reached, None)


def _bet_on_predictions(
    won: Mapping[str, float], canary: Counts, baseline: Counts, accepted: float
) -> dict[str, float]:
    """Bet on the bin edges that both sides have. The first window fixes them, so the number of bets stays constant."""
    successes = [side.requests - side.errors for side in (canary, baseline)]
    if min(canary.rows, baseline.rows, *successes) < 1:
        return dict(won)
    precision = 4 / sum(1 / count for count in successes)  # of the difference of two means of numbers in [0, 1]
    bets = {}
    for name in _edges(won, canary, baseline):
        difference = canary.below[name] / canary.rows - baseline.below[name] / baseline.rows
        for sign in (1, -1):
            for shift in SHIFTS:
                bet = f"{name}|{sign:+d}|{shift:g}"
                bets[bet] = won.get(bet, 0.0) + precision * shift * (sign * difference - accepted - shift / 2)
    return bets


def _edges(won: Mapping[str, float], canary: Counts, baseline: Counts) -> list[str]:
    both = canary.below.keys() & baseline.below.keys()
    return sorted(both & {bet.rsplit("|", 2)[0] for bet in won} if won else both)


def _metrics(evidence: CanaryEvidence) -> Verdict:
    verdict = Verdict("canary: metrics", Outcome.PASS, "complete for both sides", f"{evidence.windows} windows")
    if evidence.missing:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, observed="missing", reason=evidence.missing)
    return verdict


def _requests(evidence: CanaryEvidence, before: tuple[int, int], minimum: int) -> Verdict:
    counts = evidence.canary.requests - before[0], evidence.baseline.requests - before[1]
    verdict = Verdict(
        "canary: requests", Outcome.PASS, f"at least {minimum:,} per side", f"{counts[0]:,}, baseline {counts[1]:,}"
    )
    if min(counts) < minimum:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="too few responses for a verdict")
    return verdict


def _check(evidence: CanaryEvidence, name: str, level: float) -> Verdict:
    log_e_value = evidence.log_e_value(name)
    observed = f"{_OBSERVED[name](evidence)}; e-value {math.exp(min(log_e_value, LOG_MAX)):.2g}"
    verdict = Verdict(f"canary: {name}", Outcome.PASS, f"e-value < {1 / level:.0f}", observed)
    if not evidence.won[name] or not math.isfinite(log_e_value):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="nothing to compare")
    if log_e_value >= -math.log(level):
        return replace(verdict, outcome=Outcome.FAIL, reason=_WORSE[name])
    if name == "latency" and evidence.windows < windows_needed(level):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="too few windows for a verdict")
    return verdict


def windows_needed(level: float) -> int:
    """Return the windows after which a canary that is slower in every window fails; the first sets the quantiles."""
    bets = len(QUANTILES) * len(SLOWER_PROBABILITIES)
    return 1 + math.ceil(math.log(bets / level) / math.log(2 * max(SLOWER_PROBABILITIES)))


def _observed_errors(evidence: CanaryEvidence) -> str:
    return ", baseline ".join(
        f"{side.errors / side.requests:.2%} of {side.requests:,}" if side.requests else "none"
        for side in (evidence.canary, evidence.baseline)
    )


def _observed_latency(evidence: CanaryEvidence) -> str:
    return "; ".join(
        f"p{quantile * 100:g} {_quantile(evidence.canary, quantile)}, baseline {_quantile(evidence.baseline, quantile)}"
        for quantile in (0.5, 0.99)
    )


def _quantile(side: Counts, quantile: float) -> str:
    position = _quantile_position(side, quantile)
    return "unknown" if position is None else f"{BOUNDS[position] * 1000:.3g} ms"


def _observed_predictions(evidence: CanaryEvidence) -> str:
    sides = evidence.canary, evidence.baseline
    edges = sides[0].below.keys() & sides[1].below.keys()
    if not edges or not all(side.rows for side in sides):
        return "no bin edge in common"
    shifts = {name: abs(sides[0].below[name] / sides[0].rows - sides[1].below[name] / sides[1].rows) for name in edges}
    largest = max(sorted(shifts), key=shifts.__getitem__)
    return f"largest shift {shifts[largest]:.3f}, in the fraction of predictions up to {largest}"


_OBSERVED = {"errors": _observed_errors, "latency": _observed_latency, "predictions": _observed_predictions}
_WORSE = {
    "errors": "fails more often than the baseline",
    "latency": "slower than the baseline",
    "predictions": "predicts a different distribution than the baseline",
}


def _log_choose(n: int, k: int) -> float:
    """Return the logarithm of the binomial coefficient."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_sum(logarithms: Sequence[float]) -> float:
    """Return the logarithm of the sum of exponentials."""
    largest = max(logarithms)
    return largest + math.log(sum(math.exp(logarithm - largest) for logarithm in logarithms))
