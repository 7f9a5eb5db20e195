"""The end of a canary: wait for the agent's verdict and record it in git, as a stage tag or a revert.

The agent evaluates the canary, because it runs next to the services and continues when no client waits. It has no write
access to git, so a serving machine cannot change any desired state.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from slipway import output
from slipway.deployment import promotion, smoke, waiting
from slipway.errors import NotReadyError, ReleaseFailedError, RemoteMovedError
from slipway.gates import Outcome, Verdict
from slipway.gates.canary_progress import failure_reason
from slipway.loadtest import loadtest, traffic
from slipway.results import Job, JobResult, recorded
from slipway.schema.bounds import Absent, Evidence, Maybe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from slipway.environment.environment import Environment
    from slipway.environment.spec import Canary, EnvironmentFile
    from slipway.gates.canary_progress import Progress
    from slipway.release.store import Store
    from slipway.settings import Settings

PROBES = 200  # of a gateway whose agent does not report; they all miss a release with half of the traffic once in 2^200


class SideCounts(Evidence):
    """What the canary, or its baseline, had answered at the end."""

    requests: int
    errors: int
    rows: int


class CanaryJobEvidence(Evidence):
    """Evidence of the job `canary`; a canary that was never judged lacks the counts."""

    environment: str
    release: str
    digest: str
    replaces: str
    """The release that the baseline runs."""
    canary: Absent[SideCounts] = None
    baseline: Absent[SideCounts] = None
    outcome: Absent[str] = None
    windows: Absent[int] = None
    """Number of evaluations."""
    shadow: Absent[dict[str, float]] = None
    """Comparison of the answers to copied requests."""
    synthetic: Absent[traffic.ResponseCounts] = None


CANARY: Final = Job("canary", JobResult[Maybe[CanaryJobEvidence]])


def follow(environment: Environment, content: EnvironmentFile, settings: Settings, store: Store) -> None:
    """Wait for the end of the canary of `content`, and record it in git and in results/canary.json.

    Does nothing when the promotion is concluded. Raises UserError when the canary was rolled back or did not end.
    """
    canary = content.canary
    if canary is None or environment.fetch().is_concluded(content):
        return
    with recorded(CANARY, environment.root / "results") as result:
        result.evidence = evidence = CanaryJobEvidence(
            environment=environment.name,
            release=content.release,
            digest=content.digest,
            replaces=canary.baseline.release,
        )
        with _traffic(environment, content, settings, store) as responses:
            end = _await_end(environment, content, _timeout_seconds(canary, settings))
        result.verdicts = list(end.verdicts) if end else []
        result.evidence = _with_end(evidence, end, responses)
        problem = _problem(environment, content, end)
        if problem and not result.verdicts:
            result.verdicts = [Verdict("canary: service", Outcome.FAIL, "starts", "did not start", problem)]
    _conclude(environment, content, result, problem)


def _conclude(environment: Environment, content: EnvironmentFile, result: JobResult[Any], problem: str) -> None:
    """Record the end in git. Raises UserError with `problem` when the canary is rolled back."""
    evidence = [*promotion.verdict_lines(CANARY.name, result), *([f"canary: {problem}"] if problem else [])]
    if not problem:
        promotion.conclude(environment.fetch(), content, evidence)
        output.step(f"{environment}: the canary {content.release} passed")
        return
    target = promotion.abort(environment.fetch(), content, evidence)
    raise ReleaseFailedError(f"{environment}: {content.release} was rolled back to {target}: {problem}")


def _traffic(
    environment: Environment, content: EnvironmentFile, settings: Settings, store: Store
) -> AbstractContextManager[traffic.Responses | None]:
    """Return synthetic traffic with rows that the baseline accepts; none when the rate in params.yaml is 0."""
    rate, baseline = settings.canary.synthetic_rate, content.baseline
    if not rate or baseline is None:
        return nullcontext()
    url = loadtest.address(environment.url, settings.loadtest.hosts)
    _, expected = smoke.read_expected(environment, baseline, store)
    output.step(f"{environment}: sending {rate:g} synthetic requests/s during the canary")
    return traffic.sending(url, expected.rows, rate, settings.seed)


def _timeout_seconds(canary: Canary, settings: Settings) -> float:
    """Return the maximum duration of a canary: installation, start, and each step at its longest."""
    step_seconds = settings.canary.step_seconds + settings.canary.hold_seconds
    return settings.agent.promote_seconds + canary.step_count * step_seconds


def _await_end(environment: Environment, content: EnvironmentFile, seconds: float) -> Progress | None:
    """Return the ended canary; None when it was never evaluated. Raises UserError when it does not end."""
    deadline, printed_until = time.monotonic() + seconds, time.time()
    while time.monotonic() < deadline:
        observed = environment.observed()
        if observed is None:
            if all(environment.serves(content) for _ in range(PROBES)):
                return None
        elif observed.canary and observed.canary.promotion == content.promotion and observed.canary.outcome:
            return observed.canary
        elif observed.bad and observed.bad.content == content:
            return None
        elif observed.desired and observed.desired.promotion > content.promotion:
            raise RemoteMovedError(
                f"{environment}: {observed.desired.release} was promoted before the canary {content.release} ended"
            )
        printed_until = waiting.print_events(environment, observed, printed_until)
        time.sleep(waiting.POLL_SECONDS)
    contact = waiting.last_contact(environment.observed())
    raise NotReadyError(
        f"{environment}: the canary {content.release} did not end within {seconds:g} s; {contact}; to wait again, run"
        f" `slipway promote --environment {environment} --release {content.release}`"
    )


def _problem(environment: Environment, content: EnvironmentFile, end: Progress | None) -> str:
    """Return the reason for a rollback; empty when the canary passed."""
    if end:
        return "" if end.outcome == "passed" else f"{end.outcome}: {failure_reason(end)}"
    return environment.rejection(content) or ""


def _with_end(
    evidence: CanaryJobEvidence, end: Progress | None, responses: traffic.Responses | None
) -> CanaryJobEvidence:
    if end:
        canary, baseline = (
            SideCounts(requests=counts.requests, errors=counts.errors, rows=counts.rows)
            for counts in (end.evidence.canary, end.evidence.baseline)
        )
        judged = {"outcome": end.outcome, "windows": end.evidence.windows, "shadow": end.shadow}
        evidence = evidence.model_copy(update={"canary": canary, "baseline": baseline, **judged})
    if responses:
        output.step(f"synthetic traffic: {responses}")
        evidence = evidence.model_copy(update={"synthetic": responses.counts()})
    return evidence
