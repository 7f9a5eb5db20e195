"""Gate of an experiment by user: its size, which is fixed before it starts, and the judgment at its end.

The test is of the canary's kind, a bet whose winnings are an e-process. Users are paired in the order in which they
came, one of each side. Each pair bets that the treatment's outcome is higher, and another bet that it is lower. For
outcomes within known limits, the winnings have an expectation of at most 1 if the mean is no higher, so either bet
reaches 2 / alpha with probability at most alpha / 2, whenever it is evaluated (Waudby-Smith and Ramdas, "Estimating
means of bounded random variables by betting", 2024).

The stake is fixed by the stated effect. With z of the power and L = ln(2 / alpha), the normal approximation of the
winnings gives

    users of each side = 2 (z + sqrt(2 L))² (standard deviation / effect)²

which is the formula of the t-test with sqrt(2 L) in place of z of alpha / 2: 1.6 times as many users. A bet stakes at
most half of the capital. Where the formula would stake more, as for a rare outcome, the users follow from that stake: a
pair adds at least `stake * effect - stake² * (2 variance + effect²) / 2` to the logarithm of the winnings on average.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from slipway.gates.verdict import Outcome, Verdict
from slipway.schema.bounds import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

MISMATCH_PROBABILITY = 0.001  # of a ratio of the sides, or of their labels, that is taken for a fault
LOG_MAX = 700  # of a number that `math.exp` can return
CROSSED_RATIO_MAX = 0.01  # of users who had predictions of the other side's release
STAKE_MAX = 0.5  # of the capital, for a pair of the largest possible difference


class ExperimentPlan(Evidence):
    """The statistics of an experiment, stated before it starts."""

    baseline: Annotated[float, Field(description="Mean outcome of a user today", allow_inf_nan=False)]
    deviation: Annotated[
        float, Field(gt=0, description="Standard deviation of the outcomes of users", allow_inf_nan=False)
    ]
    low: Annotated[float, Field(description="Lowest possible outcome of a user", allow_inf_nan=False)] = 0.0
    high: Annotated[float, Field(description="Highest possible outcome of a user", allow_inf_nan=False)] = 1.0
    effect: Annotated[float, Field(gt=0, description="Smallest difference of the means to detect", allow_inf_nan=False)]
    alpha: Annotated[float, Field(gt=0, lt=0.5, description="Maximum rate of wrong decisions on equal models")]
    power: Annotated[float, Field(gt=0.5, lt=1, description="Rate at which `effect` is detected")]
    lower_is_better: Annotated[bool, Field(description="Whether a lower outcome is the better one")] = False
    users: Annotated[int, Field(ge=2, description="Users of each side, computed when the experiment starts")]

    @property
    def stake(self) -> float:
        """Return the fixed fraction of the capital that a bet stakes per unit of the outcome."""
        return min(_stake(self.users, self.deviation, self.alpha), STAKE_MAX / (self.high - self.low))


class SideFacts(Evidence):
    """One side at the end of the experiment."""

    users: int
    """Users who came until the smaller side was complete."""
    observed: int
    """Users of the side whose time to be observed is over."""
    labeled: int
    """Those of them with an outcome."""
    crossed: int
    """Those of them who had predictions of another release than their side's."""
    mean: float | None = None
    """Mean outcome of the users that were compared; None until the decision."""


class ExperimentEvidence(Evidence):
    """Evidence of the job `experiment`."""

    environment: str
    name: str
    release: str
    """The treatment; its record keeps the result."""
    digest: str
    control: str
    """Release of the other side."""
    plan: ExperimentPlan
    treatment_side: SideFacts
    control_side: SideFacts
    unidentified_rows: int
    """Rows whose request named no user; they had the control's release."""
    rows: int
    log_better: float | None = None
    """Logarithm of the e-value for the treatment; None until the decision."""
    log_worse: float | None = None
    within_limits: bool = True
    """Whether every outcome is within the stated limits."""

    @property
    def is_complete(self) -> bool:
        """Return whether each side has the stated number of users with an outcome."""
        return min(self.treatment_side.labeled, self.control_side.labeled) >= self.plan.users


def users_needed(deviation: float, effect: float, alpha: float, power: float, span: float) -> int:
    """Return the users of each side that detect `effect` with probability `power`.

    deviation: standard deviation of the outcomes of users, the same on both sides, or the root of the mean variance of
    both; span: highest minus lowest possible outcome.
    """
    z, threshold = NormalDist().inv_cdf(power), _log_threshold(alpha)
    users = max(2, math.ceil(2 * ((z + math.sqrt(2 * threshold)) * deviation / effect) ** 2))
    stake = STAKE_MAX / span
    if _stake(users, deviation, alpha) <= stake:
        return users
    gain = stake * effect - stake**2 * (2 * deviation**2 + effect**2) / 2
    spread = z * stake * math.sqrt(2) * deviation
    root = (spread + math.sqrt(spread**2 + 4 * gain * threshold)) / (2 * gain)
    return max(users, math.ceil(root**2))


def _stake(users: int, deviation: float, alpha: float) -> float:
    """Return the stake per unit of the outcome with which the most experiments of this size detect the effect."""
    return math.sqrt(2 * _log_threshold(alpha) / (2 * users)) / deviation


def winnings(treatment: Sequence[float], control: Sequence[float], plan: ExperimentPlan) -> tuple[float, float]:
    """Return the log winnings of the bets that the treatment is better, and that it is worse.

    The outcomes are in the order in which the users came.
    """
    sign = -1 if plan.lower_is_better else 1
    gains = [sign * plan.stake * (ours - theirs) for ours, theirs in zip(treatment, control, strict=True)]
    return sum(map(math.log1p, gains)), sum(math.log1p(-gain) for gain in gains)


def judge(evidence: ExperimentEvidence, label_ratio: float) -> list[Verdict]:
    """Return the verdicts on a finished experiment; a treatment that is better passes, one that is worse fails.

    `label_ratio` is the minimum fraction of users with an outcome.
    """
    checks = [_size(evidence), _ratio(evidence), _sides(evidence), _labels(evidence, label_ratio)]
    doubted = [check.gate for check in checks if check.outcome is not Outcome.PASS]
    return [*checks, _metric(evidence, doubted)]


def mismatch(treatment: int, control: int) -> float:
    """Return the probability of a ratio as unequal as this one if each user is as likely on either side."""
    total = treatment + control
    return math.erfc(abs(treatment - control) / math.sqrt(2 * total)) if total else 1.0


def _size(evidence: ExperimentEvidence) -> Verdict:
    sides, users = (evidence.treatment_side, evidence.control_side), evidence.plan.users
    observed = f"{sides[0].labeled:,}, control {sides[1].labeled:,}"
    verdict = Verdict("experiment: size", Outcome.PASS, f"{users:,} users with an outcome on each side", observed)
    return verdict if evidence.is_complete else _inconclusive(verdict, "fewer users than stated at the start")


def _ratio(evidence: ExperimentEvidence) -> Verdict:
    treatment, control = evidence.treatment_side.users, evidence.control_side.users
    probability = mismatch(treatment, control)
    verdict = Verdict(
        "experiment: ratio",
        Outcome.PASS,
        f"equal sides; probability at least {MISMATCH_PROBABILITY:g}",
        f"{treatment:,}, control {control:,}; probability {probability:.2g}",
    )
    if probability < MISMATCH_PROBABILITY:
        return _inconclusive(verdict, "sample ratio mismatch: users of one side are missing; find out why, start again")
    return verdict


def _sides(evidence: ExperimentEvidence) -> Verdict:
    sides = evidence.treatment_side, evidence.control_side
    crossed, observed = sum(side.crossed for side in sides), sum(side.observed for side in sides)
    verdict = Verdict(
        "experiment: sides",
        Outcome.PASS,
        f"at most {CROSSED_RATIO_MAX:.0%} of the users had the other release",
        f"{crossed:,} of {observed:,}",
    )
    if crossed > CROSSED_RATIO_MAX * observed:
        return _inconclusive(verdict, "users changed sides; see whether a release was restarted or replaced meanwhile")
    return verdict


def _labels(evidence: ExperimentEvidence, label_ratio: float) -> Verdict:
    sides = evidence.treatment_side, evidence.control_side
    ratios = [side.labeled / side.observed if side.observed else 0.0 for side in sides]
    verdict = Verdict(
        "experiment: outcomes",
        Outcome.PASS,
        f"at least {label_ratio:.0%} of the users, equally on both sides",
        f"{ratios[0]:.1%}, control {ratios[1]:.1%}",
    )
    if not evidence.within_limits:
        limits = f"{evidence.plan.low:g} to {evidence.plan.high:g}"
        return _inconclusive(verdict, f"an outcome is not within the stated limits, {limits}")
    if min(ratios) < label_ratio:
        return _inconclusive(verdict, "too many users have no outcome")
    if _unequal(sides, ratios):
        return _inconclusive(verdict, "outcomes are missing more often on one side, so those that arrived are biased")
    return verdict


def _unequal(sides: tuple[SideFacts, SideFacts], ratios: Sequence[float]) -> bool:
    """Return whether the fractions with an outcome differ by more than chance (test of two proportions)."""
    pooled = sum(side.labeled for side in sides) / sum(side.observed for side in sides)
    variance = pooled * (1 - pooled) * sum(1 / side.observed for side in sides)
    if variance == 0:
        return False
    return math.erfc(abs(ratios[0] - ratios[1]) / math.sqrt(2 * variance)) < MISMATCH_PROBABILITY


def _metric(evidence: ExperimentEvidence, doubted: Sequence[str]) -> Verdict:
    plan, threshold = evidence.plan, math.exp(_log_threshold(evidence.plan.alpha))
    means = evidence.treatment_side.mean, evidence.control_side.mean
    verdict = Verdict("experiment: metric", Outcome.INCONCLUSIVE, f"e-value at least {threshold:.0f}", "not evaluated")
    if doubted:
        return replace(verdict, reason=f"not judged, because of {', '.join(doubted)}")
    logs = [math.nan if log is None else log for log in (evidence.log_better, evidence.log_worse)]
    if None in means or not all(map(math.isfinite, logs)):
        return replace(verdict, reason="no finite evidence")
    observed = f"{means[0]:.4g}, control {means[1]:.4g}"
    verdict = replace(verdict, observed=f"{observed}; e-value {math.exp(min(max(logs), LOG_MAX)):.2g}")
    if logs[0] >= _log_threshold(plan.alpha):
        return replace(verdict, outcome=Outcome.PASS, reason="the treatment is better")
    if logs[1] >= _log_threshold(plan.alpha):
        return replace(verdict, outcome=Outcome.FAIL, reason="the treatment is worse")
    return replace(
        verdict, reason=f"no difference; one of {plan.effect:g} is detected with probability {plan.power:.0%}"
    )


def _inconclusive(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)


def _log_threshold(alpha: float) -> float:
    """Return the logarithm of the e-value at which one of the two bets decides."""
    return math.log(2 / alpha)
