"""`slipway promote` and `slipway rollback`: changes of the desired state, and the wait until they serve."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from slipway import output, results
from slipway.environment import versions
from slipway.environment.deploy_branch import BRANCH, BUILT_FROM, DIGEST, IMAGE
from slipway.environment.desired_state import DesiredState, previous_release
from slipway.environment.spec import IMAGE_BY_DIGEST, Baseline, Canary, EnvironmentFile, path_of
from slipway.errors import ArgumentError, NoReleaseError, NotReadyError, ReleaseFailedError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.deploy_branch import Published
    from slipway.environment.environment import Environment
    from slipway.environment.state import State
    from slipway.release.store import Store
    from slipway.settings.operation import CanarySection

POLL_SECONDS = 0.2  # between two requests to the gateway


def promote(
    environment: Environment,
    version: str | None,
    store: Store,
    image: str | None = None,
    canary: CanarySection | None = None,
    *,
    forward: bool = False,
) -> EnvironmentFile:
    """Promote a release to `environment` with one commit, and return the desired state.

    `version` may also be the commit that the release was built from. The default is the newest release for staging, and
    the desired release of staging for production. `image` is the container image of the release by digest, by default
    that of its last promotion. With `canary`, the section of params.yaml, the release takes over in steps if another
    one serves. With `forward`, a version older than the desired one is refused, because a run that waited for approval
    may be outdated. Nothing changes when the release is already desired. Raises UserError.
    """
    state = environment.fetch()
    chosen = state.branch.named(version or default_version(environment))
    if chosen.version not in store.versions():
        raise NoReleaseError(f"{chosen.version}: not in the store; run `slipway release publish` again")
    current = _readable(state)
    if forward and current:
        _refuse_older(environment, chosen.version, current.release)
    image = _image(image) or state.branch.image_of(chosen.digest)
    same = current and (current.digest, current.image) == (chosen.digest, image)
    if current and same and environment.rejection(current) is None:
        output.result_line(f"{environment}: {chosen.version} is already the desired release")
        return current
    content = _content(chosen, current, image, state.next_assignment())
    if canary and current:
        serving = current if state.is_concluded(current) else current.baseline
        content = _with_canary(content, serving, canary)
    number = None if content.canary else content.promotion
    state.change(content, _promotion_message(environment, content, current), number=number)
    output.result_line(
        f"{environment}: the desired release is now {chosen.version}{', as a canary' if content.canary else ''}"
    )
    return content


def conclude(environment: Environment, content: EnvironmentFile, evidence: Sequence[str]) -> None:
    """Push the stage tag of a promotion whose canary passed, with the evidence in its message. Raises UserError."""
    state = environment.fetch()
    message = "\n".join([f"Promote {content.release} to {environment}", "", *evidence])
    state.conclude(content, message)


def abort(environment: Environment, content: EnvironmentFile, evidence: Sequence[str]) -> str:
    """Revert a promotion whose canary did not pass, unless it was replaced; return the version that is now desired."""
    current = environment.fetch().read()
    if current != content:
        return current.release if current else "nothing"
    return _revert(environment, evidence).release


def rollback(environment: Environment, version: str | None, store: Store) -> EnvironmentFile:
    """Roll `environment` back to its previous release, or promote `version`. Raises UserError without one."""
    if version:
        return promote(environment, version, store)
    environment.fetch()
    return _revert(environment, [])


def _revert(environment: Environment, evidence: Sequence[str]) -> EnvironmentFile:
    """Push the previous release as desired. Aborting a canary needs no stage tag: that release still has its own."""
    state = environment.desired_state
    history = state.history()
    content = previous_release(history, state.is_concluded)
    if content is None:
        raise NoReleaseError(f"{BRANCH}:{state.path}: no earlier release to roll back to; name one with --to")
    left = history[0].content
    lines = [f"Roll {environment} back to {content.release}", "", f"This reverts commit {history[0].commit}.", ""]
    lines += [*evidence, *([""] if evidence else []), *([f"Leaves: {left.release}"] if left else []), ""]
    is_aborted = left is not None and not state.is_concluded(left)
    number = None if is_aborted else state.next_assignment()
    state.change(content, "\n".join(lines), number=number)
    output.result_line(f"{environment}: the desired release is now {content.release}")
    return content


def wait(environment: Environment, content: EnvironmentFile, seconds: float) -> float:
    """Wait until the gateway of `environment` serves `content` alone, and return the seconds that it took.

    Raises UserError when the agent rejects the release, or after `seconds`.
    """
    url = environment.url
    start, printed_until = time.monotonic(), time.time()
    while True:
        observed = environment.observed()
        if environment.serves(content) and (observed is None or _serves_alone(observed, content)):
            return time.monotonic() - start
        passed = time.monotonic() - start
        if observed and observed.bad and observed.bad.content == content:
            reason = observed.bad.reason
            raise ReleaseFailedError(
                f"{environment}: {content.release} was refused, {_serving(observed)} keeps serving: {reason}"
            )
        if passed > seconds:
            raise NotReadyError(
                f"{environment}: {url} does not serve {content.release} after {seconds:g} s; {last_contact(observed)}"
            )
        printed_until = print_events(environment, observed, printed_until)
        time.sleep(POLL_SECONDS)


def _serves_alone(observed: State, content: EnvironmentFile) -> bool:
    """Return whether only `content` receives requests; during a rollout the gateway alternates between releases."""
    ready = [instance for instance in observed.instances if instance.phase == "ready"]
    alone = all((instance.digest, instance.role) == (content.digest, "main") for instance in ready)
    return observed.desired == content == observed.serving and alone


def print_events(environment: Environment, observed: State | None, printed_until: float) -> float:
    """Print the agent's events after the time `printed_until`, and return the time of the newest event printed."""
    events = [event for event in observed.events if event.time > printed_until] if observed else []
    for event in events:
        output.step(f"{environment}: {event.text}")
    return events[-1].time if events else printed_until


def last_contact(observed: State | None) -> str:
    """Return the age of the agent's last report as a phrase for a message."""
    if observed is None:
        return "no agent has reported"
    return f"its agent last reported {time.time() - observed.heartbeat:.0f} s ago"


def _serving(observed: State) -> str:
    return observed.serving.release if observed.serving else "nothing"


def default_version(environment: Environment) -> str:
    """Return the version that a promotion to `environment` takes by default. Raises UserError without a release."""
    if environment.name == "staging":
        published = environment.branch.versions()
        if not published:
            raise NoReleaseError("no release yet; run `slipway release build` and `slipway release publish`")
        return published[-1]
    staging = DesiredState(environment.branch, "staging").read()
    if staging is None:
        raise NoReleaseError(
            f"{BRANCH}:{path_of('staging')}: not found; promote to staging first, or name a release with --release"
        )
    return staging.release


def _readable(state: DesiredState) -> EnvironmentFile | None:
    """Return the desired state; None also when the file is invalid, since the promotion replaces it."""
    try:
        return state.read()
    except UserError:
        return None


def _refuse_older(environment: Environment, version: str, current: str) -> None:
    if versions.order(version) < versions.order(current):
        raise ArgumentError(
            f"{environment}: the desired release {current} is newer than {version}; nothing was changed"
            f" (to go back, run `slipway rollback --environment {environment} --to {version}`)"
        )


def _image(image: str | None) -> str | None:
    if image and not re.fullmatch(IMAGE_BY_DIGEST, image):
        raise ArgumentError(f"--image {image}: not an image by digest; give NAME@sha256: and 64 hexadecimal digits")
    return image


def _content(chosen: Published, current: EnvironmentFile | None, image: str | None, number: int) -> EnvironmentFile:
    return EnvironmentFile(
        release=chosen.version,
        digest=chosen.digest,
        commit=chosen.built_from,
        replicas=current.replicas if current else 1,
        promotion=number,
        image=image,
    )


def _with_canary(content: EnvironmentFile, serving: EnvironmentFile | None, settings: CanarySection) -> EnvironmentFile:
    """Return `content` with a canary against `serving`, which serves all requests now, if it is another release."""
    if serving is None or serving.digest == content.digest:
        return content
    baseline = Baseline(**serving.model_dump(include=set(Baseline.model_fields)))
    canary = Canary(steps=tuple(settings.steps), shadow_percent=settings.shadow_percent, baseline=baseline)
    return content.model_copy(update={"canary": canary})


def _promotion_message(environment: Environment, content: EnvironmentFile, current: EnvironmentFile | None) -> str:
    evidence = [line for job, result in _evidence(content).items() for line in verdict_lines(job, result)]
    facts = [f"Release: {content.release}", f"Replaces: {current.release if current else 'nothing'}"]
    facts += [f"{IMAGE}: {content.image}"] if content.image else []
    trailers = [*facts, f"{DIGEST}: {content.digest}", f"{BUILT_FROM}: {content.commit}"]
    return "\n".join(
        [f"Promote {content.release} to {environment}", "", *evidence, *([""] if evidence else []), *trailers, ""]
    )


def _evidence(content: EnvironmentFile) -> dict[str, results.JobResult]:
    """Return the local results about this release; results about others may remain from earlier runs."""
    return {job: result for job, result in results.read().items() if result.release == content.release}


def verdict_lines(job: str, result: results.JobResult) -> list[str]:
    """Return one line per verdict of a result, for a commit or tag message."""
    return [
        f"{job}: {verdict.gate.removeprefix(f'{job}: ')}: {verdict.outcome} ({verdict.observed}; {verdict.threshold})"
        for verdict in result.verdicts
    ]
