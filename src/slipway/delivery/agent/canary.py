"""How far a canary has come: a pure function of what was seen, kept in the agent's state for the next agent."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from slipway.gates.canary import CanaryEvidence, Counts, Decision, judge, observe
from slipway.gates.verdict import Outcome, Verdict, overall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from slipway.delivery.environment_file import Canary

SIDES = ("canary", "baseline")
AWAY_SECONDS = 10  # between two looks; longer, and the agent was away


class Progress(BaseModel):
    """Of the canary of one promotion."""

    model_config = ConfigDict(frozen=True)

    promotion: int
    outcome: Literal["passed", "refused", "inconclusive"] | None = None
    """None while it lasts."""
    step: int = 0
    since: float
    """When requests began to go to it as the step says, in seconds since 1970."""
    before: tuple[int, int] = (0, 0)
    """What canary and baseline had answered when the step began."""
    looked: float = 0.0
    seen: dict[str, dict[str, Counts]] = {side: {} for side in SIDES}
    """Of each side, what each source counted when it was last seen: a source that is gone keeps its part."""
    evidence: CanaryEvidence = CanaryEvidence()
    verdicts: tuple[Verdict, ...] = ()
    shadow: dict[str, float] | None = None
    """How far apart the answers to copied requests were."""


def share(canary: Canary, step: int) -> int:
    """Percent of the requests that the canary gets in a step, and the baseline as well; none while it only listens."""
    weights = [0, *canary.steps] if canary.shadow_percent else canary.steps
    return weights[step]


def begin(promotion: int, now: float) -> Progress:
    """The first step."""
    return Progress(promotion=promotion, since=now)


def advance(
    progress: Progress,
    canary: Canary,
    seen: Mapping[str, Mapping[str, Counts] | None],
    now: float,
    limits: Mapping[str, Any],
) -> Progress:
    """Take in what each source of each side has counted by `now`, judge, and go where that leads.

    `seen` has None for a side whose sources could not all be read. `limits` is the section `canary` of params.yaml.
    """
    away = now - (progress.looked or now)
    if away > AWAY_SECONDS:  # nobody looked, so nobody waited
        progress = progress.model_copy(update={"since": progress.since + away})
    now_seen = {side: {**progress.seen[side], **(seen[side] or {})} for side in SIDES}
    sides = [_total(now_seen[side].values()) if seen[side] is not None else None for side in SIDES]
    known = progress.seen if any(side is None or not side.is_finite for side in sides) else now_seen
    evidence = observe(progress.evidence, *sides, limits)
    judgment = judge(evidence, progress.before, now - progress.since, limits)
    update: dict[str, Any] = {"looked": now, "seen": known, "evidence": evidence, "verdicts": judgment.verdicts}
    last = progress.step + 1 == len(canary.steps) + bool(canary.shadow_percent)
    if judgment.decision is Decision.ROLL_BACK:
        failed = overall(judgment.verdicts) is Outcome.FAIL
        update["outcome"] = "refused" if failed else "inconclusive"
    elif judgment.decision is Decision.GO_ON and last:
        update["outcome"] = "passed"
    elif judgment.decision is Decision.GO_ON:
        before = evidence.canary.requests, evidence.baseline.requests
        update |= {"step": progress.step + 1, "since": now, "before": before}
    return progress.model_copy(update=update)


def refuse(progress: Progress, reason: str) -> Progress:
    """End it for something that needs no statistics."""
    verdict = Verdict("canary: service", Outcome.FAIL, "keeps running", "ended", reason)
    return progress.model_copy(update={"outcome": "refused", "verdicts": (*progress.verdicts, verdict)})


def why(progress: Progress) -> str:
    """What speaks against it, in a line; of what could not be told, the first, from which the rest follows."""
    against = [one for one in progress.verdicts if one.outcome is not Outcome.PASS]
    failed = [one for one in against if one.outcome is Outcome.FAIL]
    return "; ".join(f"{one.gate}: {one.reason} ({one.observed})" for one in failed or against[:1])


def _total(counts: Iterable[Counts]) -> Counts:
    """Sum of all sources of a side."""
    total = Counts()
    for one in counts:
        below = {name: total.below.get(name, 0) + one.below.get(name, 0) for name in {**total.below, **one.below}}
        fast = tuple(map(sum, zip(total.fast, one.fast, strict=True)))
        numbers = {name: getattr(total, name) + getattr(one, name) for name in ("requests", "errors", "rows")}
        total = dataclasses.replace(total, fast=fast, below=below, **numbers)
    return total
