"""Progress of a canary, as a pure function of its observations.

The agent of an environment and the job of a cluster both judge by `advance`. The progress is part of an agent's state.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway.gates.canary import CanaryEvidence, Counts, Decision, judge, observe
from slipway.gates.verdict import Outcome, Verdict, overall
from slipway.schema.contract import sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from slipway.settings.operation import CanarySection

OF_THE_CONTRACT = frozenset({"canary: errors", "canary: predictions"})
"""Gates that a change of the contract can fail."""
SIDES = ("canary", "baseline")
GAP_MAX_SECONDS = 10  # between two evaluations; a longer gap means that the agent was down


class Progress(BaseModel):
    """Progress of the canary of one promotion."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True, defer_build=True)

    promotion: int
    outcome: Literal["passed", "refused", "inconclusive"] | None = None
    """None while the canary is running."""
    step: int = 0
    since: float
    """Start of the step, in seconds since 1970."""
    before: tuple[int, int] = (0, 0)
    """Requests that canary and baseline had answered when the step began."""
    evaluated: float = Field(default=0.0, alias="looked")
    """Time of the last evaluation, in seconds since 1970."""
    observed: dict[str, dict[str, Counts]] = Field(default={side: {} for side in SIDES}, alias="seen")
    """Last counts of each source of each side. A source that disappears keeps its counts."""
    evidence: CanaryEvidence = CanaryEvidence()
    verdicts: tuple[Verdict, ...] = ()
    contract_changes: tuple[str, ...] = ()
    """What clients of the baseline must do to use the canary."""
    shadow: dict[str, float] | None = None
    """Comparison of the answers to copied requests."""


def begin(promotion: int, now: float, contract_changes: Sequence[str] = ()) -> Progress:
    """Return the progress of a canary in its first step."""
    return Progress(promotion=promotion, since=now, contract_changes=tuple(contract_changes))


def advance(
    progress: Progress,
    steps: int,
    sources: Mapping[str, Mapping[str, Counts] | None],
    now: float,
    limits: CanarySection,
    *,
    gap_max_seconds: float = GAP_MAX_SECONDS,
) -> Progress:
    """Return the progress after the counts of each source at `now` were judged; the canary has `steps`.

    `sources` has the counts by side and source, or None for a side whose sources could not all be read. A longer gap
    than `gap_max_seconds` does not count as waiting.
    """
    gap = now - (progress.evaluated or now)
    if gap > gap_max_seconds:  # a step must not time out while the agent is down
        progress = progress.model_copy(update={"since": progress.since + gap})
    newest = {side: {**progress.observed[side], **(sources[side] or {})} for side in SIDES}
    ours, theirs = (_total(newest[side].values()) if sources[side] is not None else None for side in SIDES)
    observed = progress.observed if any(side is None or not side.is_finite for side in (ours, theirs)) else newest
    evidence = observe(progress.evidence, ours, theirs, limits)
    judgment = judge(evidence, progress.before, now - progress.since, limits)
    update: dict[str, Any] = {
        "evaluated": now,
        "observed": observed,
        "evidence": evidence,
        "verdicts": judgment.verdicts,
    }
    is_last_step = progress.step + 1 == steps
    if judgment.decision is Decision.ROLL_BACK:
        failed = overall(judgment.verdicts) is Outcome.FAIL
        update["outcome"] = "refused" if failed else "inconclusive"
    elif judgment.decision is Decision.PROCEED and is_last_step:
        update["outcome"] = "passed"
    elif judgment.decision is Decision.PROCEED:
        before = evidence.canary.requests, evidence.baseline.requests
        update |= {"step": progress.step + 1, "since": now, "before": before}
    return progress.model_copy(update=update)


def reject(progress: Progress, reason: str) -> Progress:
    """Return the progress of a canary that is rejected without statistics, because its service failed."""
    verdict = Verdict("canary: service", Outcome.FAIL, "keeps running", "ended", reason)
    return progress.model_copy(update={"outcome": "refused", "verdicts": (*progress.verdicts, verdict)})


def failure_reason(progress: Progress) -> str:
    """Return the failed verdicts as one line.

    If no verdict failed, it is the first inconclusive one, which causes the others. A breaking change of the contract
    is named where it may be the cause, because one side then refuses every request that is meant for the other, or
    predicts another thing.
    """
    against = [verdict for verdict in progress.verdicts if verdict.outcome is not Outcome.PASS]
    failed = [verdict for verdict in against if verdict.outcome is Outcome.FAIL]
    reasons = [f"{verdict.gate}: {verdict.reason} ({verdict.observed})" for verdict in failed or against[:1]]
    if progress.contract_changes and (not failed or any(verdict.gate in OF_THE_CONTRACT for verdict in failed)):
        reasons.append(f"the contract changes: {sentence(progress.contract_changes)}")
    return "; ".join(reasons)


def _total(sources: Iterable[Counts]) -> Counts:
    """Return the sum over all sources of a side."""
    total = Counts()
    for counts in sources:
        names = {**total.below, **counts.below}
        below = {name: total.below.get(name, 0) + counts.below.get(name, 0) for name in names}
        fast = tuple(map(sum, zip(total.fast, counts.fast, strict=True)))
        numbers = {name: getattr(total, name) + getattr(counts, name) for name in ("requests", "errors", "rows")}
        total = dataclasses.replace(total, fast=fast, below=below, **numbers)
    return total
