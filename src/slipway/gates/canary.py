"""Gate of the canary: what a canary and a baseline of the same age answered in; go on, hold or roll back out.

Three questions are asked again after every window of requests: does the canary fail more often, is it slower, does it
predict something else? Each bets against "no" and keeps its winnings as an e-process: a number whose expectation never
exceeds 1 while "no" is true, so that by Ville's inequality it ever reaches 1 / level with a chance of at most `level`,
however often it is looked at (Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
inference", 2023). The bets of one question are averaged, which is an e-process again; the questions share the level.

- Errors: given how many failed in a window, the canary's part of them is hypergeometric if both are equal, whatever
  the split; the bets are on odds ratios above 1 (a conditional test of two proportions, in the spirit of Turner, Ly and
  Grünwald, "Generic E-variables for exact sequential k-sample tests", 2021). Assumes that requests fail one by one: a
  burst of failures on the canary alone rolls back.
- Latency: did more of the canary's requests exceed the baseline's quantile and a margin than of the baseline's exceed
  the quantile itself? If the canary is no slower, yes is no likelier than no, also when requests stall together: a sign
  test by betting on a coin, a window at a time. The quantile is that of the windows before.
- Predictions: for each bound of the histogram, do the shares of predictions below it differ by more than the accepted
  shift? The bets are exponential, after Hoeffding (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
  nonasymptotic confidence sequences", 2021). Assumes that requests are drawn alike for both sides, and bring about
  equally many rows; the rows of one request may be as alike as they like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from slipway.gates.verdict import Outcome, Verdict, overall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOUNDS = tuple(float(f"{0.0005 * 1.1**power:.3g}") for power in range(105))
"""Seconds, from 0.5 ms to 10 s: how finely latencies are counted."""
ODDS = (2, 5, 10, 30, 100)  # of failing on the canary against the baseline, that are bet on
QUANTILES = (0.5, 0.9, 0.99)  # of the baseline's latency
COINS = (0.55, 0.65, 0.75, 0.85, 0.95)  # chances that a window of the canary is the slower one, that are bet on
SHIFTS = (0.05, 0.1, 0.2, 0.4)  # beyond the accepted one, of the share of predictions below a bound, that are bet on
QUESTIONS = ("errors", "latency", "predictions")


class Decision(StrEnum):
    """What to do with a canary."""

    GO_ON = "go on"
    HOLD = "hold"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Counts:
    """What one side answered since it began."""

    requests: int = 0
    errors: int = 0
    """Answers other than a success."""
    fast: tuple[int, ...] = (0,) * len(BOUNDS)
    """Successes within each of BOUNDS."""
    rows: int = 0
    """Predictions."""
    below: dict[str, int] = field(default_factory=dict)
    """Predictions up to each bound of the histogram."""

    def minus(self, other: Counts) -> Counts:
        """What came after `other`."""
        return Counts(
            self.requests - other.requests,
            self.errors - other.errors,
            tuple(mine - its for mine, its in zip(self.fast, other.fast, strict=True)),
            self.rows - other.rows,
            {name: count - other.below.get(name, 0) for name, count in self.below.items()},
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """All of them."""
        return (self.requests, self.errors, self.rows, *self.fast, *self.below.values())

    @property
    def is_finite(self) -> bool:
        """Whether none of them is NaN or infinite."""
        return all(map(math.isfinite, self.numbers))


@dataclass(frozen=True)
class Evidence:
    """Everything that was counted, and what the bets have won: logarithms, by question and bet."""

    canary: Counts = field(default_factory=Counts)
    baseline: Counts = field(default_factory=Counts)
    windows: int = 0
    won: dict[str, dict[str, float]] = field(default_factory=lambda: {name: {} for name in QUESTIONS})
    missing: str = ""
    """What the newest look could not see."""

    def against(self, question: str) -> float:
        """Logarithm of the evidence, as odds, that the canary is worse."""
        won = self.won[question].values()
        return _log_sum(list(won)) - math.log(len(won)) if won else 0.0


@dataclass(frozen=True)
class Judgement:
    """What to do, and why."""

    decision: Decision
    verdicts: tuple[Verdict, ...]


def look(evidence: Evidence, canary: Counts | None, baseline: Counts | None, limits: Mapping[str, Any]) -> Evidence:
    """Add what both sides counted by now. Nothing is bet before one side has answered `window_requests` more.

    `limits` is the section `canary` of params.yaml. What is None, NaN or has become less is missing.
    """
    missing = _missing("canary", canary, evidence.canary) or _missing("baseline", baseline, evidence.baseline)
    if missing:
        return replace(evidence, missing=missing)
    new, old = canary.minus(evidence.canary), baseline.minus(evidence.baseline)
    if max(new.requests, old.requests) < limits["window_requests"]:
        return replace(evidence, missing="")
    won = {
        "errors": _bet_on_errors(evidence.won["errors"], new, old),
        "latency": _bet_on_latency(evidence.won["latency"], new, old, evidence.baseline, limits["latency_margin"]),
        "predictions": _bet_on_predictions(evidence.won["predictions"], new, old, limits["prediction_shift"]),
    }
    return Evidence(canary, baseline, evidence.windows + 1, won)


def judge(evidence: Evidence, before: tuple[int, int], seconds: float, limits: Mapping[str, Any]) -> Judgement:
    """Judge a step that began `seconds` ago, when canary and baseline had answered `before` requests.

    Rolls back on evidence that the canary is worse, and when there is too little to go on for `hold_seconds` longer
    than the step lasts: then a verdict is inconclusive, and none failed.
    """
    verdicts = (
        _metrics(evidence),
        _requests(evidence, before, limits["minimum_requests"]),
        *(_question(evidence, name, limits["false_alarms"] / len(QUESTIONS)) for name in QUESTIONS),
    )
    outcome, patience = overall(verdicts), limits["step_seconds"] + limits["hold_seconds"]
    if outcome is Outcome.FAIL or (outcome is Outcome.INCONCLUSIVE and seconds > patience):
        return Judgement(Decision.ROLL_BACK, verdicts)
    enough = outcome is Outcome.PASS and seconds >= limits["step_seconds"]
    return Judgement(Decision.GO_ON if enough else Decision.HOLD, verdicts)


def _missing(side: str, counts: Counts | None, before: Counts) -> str:
    if counts is None:
        return f"no metrics of the {side}"
    if not counts.is_finite:
        return f"metrics of the {side} are not numbers"
    if counts.requests and not counts.below:
        return f"the {side} does not count its predictions"
    return f"metrics of the {side} went back" if min(counts.minus(before).numbers) < 0 else ""


def _bet_on_errors(won: Mapping[str, float], canary: Counts, baseline: Counts) -> dict[str, float]:
    return {
        str(odds): won.get(str(odds), 0.0)
        + canary.errors * math.log(odds)
        - _log_expected(odds, canary.requests, baseline.requests, canary.errors + baseline.errors)
        for odds in ODDS
    }


def _log_expected(odds: float, ours: int, theirs: int, failed: int) -> float:
    """Logarithm of the mean of `odds` to the power of our failures, when `failed` of all requests are any of them."""
    terms = [
        _log_choose(ours, mine) + _log_choose(theirs, failed - mine) + mine * math.log(odds)
        for mine in range(max(0, failed - theirs), min(failed, ours) + 1)
    ]
    return _log_sum(terms) - _log_choose(ours + theirs, failed)


def _bet_on_latency(
    won: Mapping[str, float], canary: Counts, baseline: Counts, before: Counts, margin: float
) -> dict[str, float]:
    answered = max(canary.requests, baseline.requests)
    bets = {}
    for quantile in QUANTILES:
        allowed, usual = _bounds(before, quantile, margin)
        more = 0.0 if usual is None else _slow(canary, allowed, answered) - _slow(baseline, usual, answered)
        for coin in COINS:
            name = f"{quantile:g} {coin:g}"
            chance = coin if more > 0 else 1 - coin
            bets[name] = won.get(name, 0.0) + (math.log(2 * chance) if more else 0.0)
    return bets


def _slow(side: Counts, bound: int, answered: int) -> float:
    """Share that took longer, failures aside. What only the other side has answered by now takes longer."""
    waiting, right = answered - side.requests, side.requests - side.errors
    return (waiting + right - side.fast[bound]) / (waiting + right) if waiting + right else 0.0


def _bounds(before: Counts, quantile: float, margin: float) -> tuple[int | None, int | None]:
    """Positions of the bounds that the canary and the baseline are held to; none while nothing is known."""
    right = before.requests - before.errors
    usual = next((place for place, count in enumerate(before.fast) if right and count >= quantile * right), None)
    if usual is None:
        return None, None
    limit = BOUNDS[usual] * (1 + margin)
    allowed = next((place for place, bound in enumerate(BOUNDS) if bound >= limit), None)
    return (allowed, usual) if allowed is not None else (None, None)


def _bet_on_predictions(
    won: Mapping[str, float], canary: Counts, baseline: Counts, accepted: float
) -> dict[str, float]:
    """On the bounds that both have; those of the first window, so that the number of bets stays."""
    answered = [side.requests - side.errors for side in (canary, baseline)]
    if min(canary.rows, baseline.rows, *answered) < 1:
        return dict(won)
    precision = 4 / sum(1 / count for count in answered)  # of the difference of two means of numbers between 0 and 1
    bets = {}
    for name in _cuts(won, canary, baseline):
        more = canary.below[name] / canary.rows - baseline.below[name] / baseline.rows
        for sign in (1, -1):
            for shift in SHIFTS:
                bet = f"{name}|{sign:+d}|{shift:g}"
                bets[bet] = won.get(bet, 0.0) + precision * shift * (sign * more - accepted - shift / 2)
    return bets


def _cuts(won: Mapping[str, float], canary: Counts, baseline: Counts) -> list[str]:
    both = canary.below.keys() & baseline.below.keys()
    return sorted(both & {bet.rsplit("|", 2)[0] for bet in won} if won else both)


def _metrics(evidence: Evidence) -> Verdict:
    verdict = Verdict("canary: metrics", Outcome.PASS, "of both sides, complete", f"{evidence.windows} windows")
    if evidence.missing:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, observed="missing", reason=evidence.missing)
    return verdict


def _requests(evidence: Evidence, before: tuple[int, int], minimum: int) -> Verdict:
    counts = evidence.canary.requests - before[0], evidence.baseline.requests - before[1]
    verdict = Verdict(
        "canary: requests", Outcome.PASS, f"at least {minimum:,} a side", f"{counts[0]:,}, baseline {counts[1]:,}"
    )
    if min(counts) < minimum:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="too few answers to judge by")
    return verdict


def _question(evidence: Evidence, name: str, level: float) -> Verdict:
    log_odds = evidence.against(name)
    observed = f"{_SAY[name](evidence)}; odds {math.exp(min(log_odds, 700)):.2g}"
    verdict = Verdict(f"canary: {name}", Outcome.PASS, f"odds that it is worse under {1 / level:.0f} to 1", observed)
    if not evidence.won[name] or not math.isfinite(log_odds):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="nothing to compare")
    if log_odds >= -math.log(level):
        return replace(verdict, outcome=Outcome.FAIL, reason=_WORSE[name])
    if name == "latency" and evidence.windows < windows_needed(level):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason="too few windows to tell")
    return verdict


def windows_needed(level: float) -> int:
    """Windows before which not even a canary that is slower in every one is told; the first only sets the scale."""
    return 1 + math.ceil(math.log(len(QUANTILES) * len(COINS) / level) / math.log(2 * max(COINS)))


def _say_errors(evidence: Evidence) -> str:
    return ", baseline ".join(
        f"{side.errors / side.requests:.2%} of {side.requests:,}" if side.requests else "none"
        for side in (evidence.canary, evidence.baseline)
    )


def _say_latency(evidence: Evidence) -> str:
    return "; ".join(
        f"p{quantile * 100:g} {_quantile(evidence.canary, quantile)}, baseline {_quantile(evidence.baseline, quantile)}"
        for quantile in (0.5, 0.99)
    )


def _quantile(side: Counts, quantile: float) -> str:
    right = side.requests - side.errors
    place = next((place for place, count in enumerate(side.fast) if right and count >= quantile * right), None)
    return "unknown" if place is None else f"{BOUNDS[place] * 1000:.3g} ms"


def _say_predictions(evidence: Evidence) -> str:
    sides = evidence.canary, evidence.baseline
    cuts = sides[0].below.keys() & sides[1].below.keys()
    if not cuts or not all(side.rows for side in sides):
        return "none in common"
    shifts = {name: abs(sides[0].below[name] / sides[0].rows - sides[1].below[name] / sides[1].rows) for name in cuts}
    largest = max(sorted(shifts), key=shifts.__getitem__)
    return f"largest shift {shifts[largest]:.3f}, of those up to {largest}"


_SAY = {"errors": _say_errors, "latency": _say_latency, "predictions": _say_predictions}
_WORSE = {
    "errors": "fails more often than the baseline",
    "latency": "slower than the baseline",
    "predictions": "predicts another distribution than the baseline",
}


def _log_choose(many: int, few: int) -> float:
    return math.lgamma(many + 1) - math.lgamma(few + 1) - math.lgamma(many - few + 1)


def _log_sum(logarithms: Sequence[float]) -> float:
    """Logarithm of the sum."""
    largest = max(logarithms)
    return largest + math.log(sum(math.exp(each - largest) for each in logarithms))
