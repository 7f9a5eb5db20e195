"""Follows a canary to its end, and writes the end into git: the stage tag of the promotion, or a revert.

The agent judges, because it is beside the services, and goes on judging when nobody waits; it cannot write into git, so
that a machine that serves cannot change what any should run.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from slipway.delivery import clients, promotion, smoke
from slipway.delivery.agent import agents
from slipway.delivery.agent.canary import failure_reason
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import gateway_url
from slipway.delivery.load import loadtest, traffic
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.results import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from slipway.delivery.agent.canary import Progress
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.store import Store
    from slipway.results import JobResult

JOB = "canary"
LOOKS = (
    200  # at a front door whose agent says nothing; at half of the requests none of them shows the old release by luck
)


def follow(root: Path, environment: str, content: EnvironmentFile, params: Mapping[str, Any], store: Store) -> None:
    """Wait for the end of the canary that `content` began, and record it in git and in results/canary.json.

    Nothing is done when git knows the end. Raises UserError when the canary was rolled back, and when no end was seen.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    if branch.is_concluded(environment, content):
        return
    with recorded(JOB, root / "results") as result:
        facts = {"environment": environment, "release": content.release, "digest": content.digest}
        result.evidence = {**facts, "replaces": content.canary.baseline.release}
        with _traffic(environment, content, params, store) as answers:
            end = _await(environment, content, _patience(content, params))
        result.verdicts = list(end.verdicts) if end else []
        result.evidence |= _evidence(end, answers)
        refused = _reason(environment, content, end)
        if refused and not result.verdicts:
            result.verdicts = [Verdict("canary: service", Outcome.FAIL, "starts", "did not", refused)]
    _conclude(root, environment, content, result, refused)


def _conclude(root: Path, environment: str, content: EnvironmentFile, result: JobResult, refused: str) -> None:
    evidence = [*promotion.quoted(JOB, result), *([f"canary: {refused}"] if refused else [])]
    if not refused:
        promotion.conclude(root, environment, content, evidence)
        print(f"{environment}: the canary {content.release} passed", flush=True)
        return
    back = promotion.call_off(root, environment, content, evidence)
    raise UserError(f"{environment}: {content.release} was rolled back to {back}: {refused}")


def _traffic(
    environment: str, content: EnvironmentFile, params: Mapping[str, Any], store: Store
) -> AbstractContextManager[traffic.Answers | None]:
    """Requests that the release before can answer, as clients send them today; none where clients bring enough."""
    rate = params["canary"]["synthetic_rate"]
    if not rate:
        return nullcontext()
    url = loadtest.address(environment, params["loadtest"]["hosts"])
    _, known = smoke.known(environment, content.baseline, store)
    print(f"{environment}: sending {rate:g} requests/s of our own while the canary lasts", flush=True)
    return traffic.flowing(url, known["rows"], rate, params["seed"])


def _patience(content: EnvironmentFile, params: Mapping[str, Any]) -> float:
    """Seconds: for installing and starting, and for every step at its longest."""
    steps = len(content.canary.steps) + bool(content.canary.shadow_percent)
    limits = params["canary"]
    return params["agent"]["promote_seconds"] + steps * (limits["step_seconds"] + limits["hold_seconds"])


def _await(environment: str, content: EnvironmentFile, seconds: float) -> Progress | None:
    """The end of the canary; None when it never came to be judged. Raises UserError when there is no end."""
    deadline, said = time.monotonic() + seconds, time.time()
    while time.monotonic() < deadline:
        known = agents.observed_state(environment)
        if known is None:
            if _only_shows(gateway_url(environment), content):
                return None
        elif known.canary and known.canary.promotion == content.promotion and known.canary.outcome:
            return known.canary
        elif known.bad and known.bad.content == content:
            return None
        elif known.desired and known.desired.promotion > content.promotion:
            raise UserError(
                f"{environment}: {known.desired.release} was promoted before {content.release} had proved itself"
            )
        said = promotion.progress(environment, known, said)
        time.sleep(promotion.LOOK_SECONDS)
    known = agents.observed_state(environment)
    raise UserError(
        f"{environment}: the canary {content.release} has no end after {seconds:g} s; {promotion.last_seen(known)};"
        f" `slipway promote --environment {environment} --release {content.release}` waits for it again"
    )


def _only_shows(url: str, content: EnvironmentFile) -> bool:
    """Whether nothing but the new release answers: all that can be seen where no agent says anything."""
    return all(clients.serves(url, content.release, content.commit) for _ in range(LOOKS))


def _reason(environment: str, content: EnvironmentFile, end: Progress | None) -> str:
    """Why it was rolled back; empty when it was not."""
    if end:
        return "" if end.outcome == "passed" else f"{end.outcome}: {failure_reason(end)}"
    known = agents.observed_state(environment)
    return known.bad.reason if known and known.bad and known.bad.content == content else ""


def _evidence(end: Progress | None, answers: traffic.Answers | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if end:
        sides = {"canary": end.evidence.canary, "baseline": end.evidence.baseline}
        facts = {
            side: {"requests": one.requests, "errors": one.errors, "rows": one.rows} for side, one in sides.items()
        }
        facts |= {"outcome": end.outcome, "windows": end.evidence.windows, "shadow": end.shadow}
    if answers:
        facts["synthetic"] = {"requests": answers.total, "failed": answers.failed, "failures": answers.failures}
        print(f"of our own: {answers}", flush=True)
    return facts
