"""`slipway promote` and `slipway rollback`: changes of the desired state in git, which need no gateway and no agent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from slipway import output, results
from slipway.deployment import policy
from slipway.environment import versions
from slipway.environment.deploy_branch import BRANCH, BUILT_FROM, DIGEST, IMAGE
from slipway.environment.desired_state import DesiredState, previous_release
from slipway.environment.spec import IMAGE_BY_DIGEST, Baseline, Canary, EnvironmentFile, path_of
from slipway.errors import ArgumentError, BusyError, NoReleaseError, UserError
from slipway.image import record as records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.deploy_branch import Published
    from slipway.release.store import Store
    from slipway.settings.operation import CanarySection


def promote(
    state: DesiredState,
    version: str | None,
    store: Store,
    image: str | None = None,
    canary: CanarySection | None = None,
    *,
    forward: bool = False,
    rejected: EnvironmentFile | None = None,
) -> EnvironmentFile:
    """Promote a release to the environment of `state` with one commit, and return the new desired state.

    `version` may also be the commit that the release was built from. The default is the newest release for staging, and
    the desired release of staging for production. `image` is the container image of the release by digest, by default
    the one that was pushed of it, or that of its last promotion. With `canary`, the section of params.yaml, the release
    takes over in steps if another one serves. With `forward`, a version older than the desired one is refused, because
    a run that waited for approval may be outdated. Nothing changes when the release is already desired, unless that
    desired state is the one that the agent `rejected`. With `forward`, the policy of the environment must allow it.
    Raises UserError.
    """
    chosen = state.branch.named(version or default_version(state))
    if chosen.version not in store.versions():
        raise NoReleaseError(f"{chosen.version}: not in the store; run `slipway release publish` again")
    current = _readable(state)
    if forward and current:
        _refuse_during_experiment(state, current)
        _refuse_older(state, chosen.version, current.release)
    policy.require(state, chosen, current.policy if current and forward else None)
    image = _image(image) or _pushed_image(store, chosen) or state.branch.image_of(chosen.digest)
    same = current and (current.digest, current.image) == (chosen.digest, image)
    if current and same and current != rejected:
        output.result_line(f"{state.environment}: {chosen.version} is already the desired release")
        return current
    content = _content(chosen, current, image, state.next_assignment())
    if canary and current:
        serving = current if state.is_concluded(current) else current.baseline
        content = _with_canary(content, serving, canary)
    number = None if content.canary else content.promotion
    state.change(content, _promotion_message(state, content, current), number=number)
    output.result_line(
        f"{state.environment}: the desired release is now {chosen.version}{', as a canary' if content.canary else ''}"
    )
    return content


def conclude(state: DesiredState, content: EnvironmentFile, evidence: Sequence[str]) -> None:
    """Push the stage tag of a promotion whose canary passed, with the evidence in its message. Raises UserError."""
    message = "\n".join([f"Promote {content.release} to {state.environment}", "", *evidence])
    state.conclude(content, message)


def abort(state: DesiredState, content: EnvironmentFile, evidence: Sequence[str]) -> str:
    """Revert a promotion whose canary did not pass, unless it was replaced; return the version that is now desired."""
    current = state.read()
    if current != content:
        return current.release if current else "nothing"
    return _revert(state, evidence).release


def rollback(
    state: DesiredState, version: str | None, store: Store, rejected: EnvironmentFile | None = None
) -> EnvironmentFile:
    """Return the environment to its previous release, or promote `version`. Raises UserError without one."""
    if version:
        return promote(state, version, store, rejected=rejected)
    return _revert(state, [])


def _revert(state: DesiredState, evidence: Sequence[str]) -> EnvironmentFile:
    """Push the previous release as desired. Aborting a canary needs no stage tag: that release still has its own."""
    history = state.history()
    content = previous_release(history, state.is_concluded)
    if content is None:
        raise NoReleaseError(f"{BRANCH}:{state.path}: no earlier release to roll back to; name one with --to")
    left = history[0].content
    content = content.model_copy(update={"policy": left.policy if left else None})
    lines = [f"Roll {state.environment} back to {content.release}", "", f"This reverts commit {history[0].commit}.", ""]
    lines += [*evidence, *([""] if evidence else []), *([f"Leaves: {left.release}"] if left else []), ""]
    is_aborted = left is not None and not state.is_concluded(left)
    number = None if is_aborted else state.next_assignment()
    state.change(content, "\n".join(lines), number=number)
    output.result_line(f"{state.environment}: the desired release is now {content.release}")
    return content


def default_version(state: DesiredState) -> str:
    """Return the version that a promotion to the environment takes by default. Raises UserError without a release."""
    if state.environment == "staging":
        published = state.branch.versions()
        if not published:
            raise NoReleaseError("no release yet; run `slipway release build` and `slipway release publish`")
        return published[-1]
    staging = DesiredState(state.branch, "staging").read()
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


def _refuse_older(state: DesiredState, version: str, current: str) -> None:
    if versions.order(version) < versions.order(current):
        raise ArgumentError(
            f"{state.environment}: the desired release {current} is newer than {version}; nothing was changed"
            f" (to go back, run `slipway rollback --environment {state.environment} --to {version}`)"
        )


def _refuse_during_experiment(state: DesiredState, current: EnvironmentFile) -> None:
    """Raise BusyError if an experiment runs, because a promotion would change what its users get."""
    if current.experiment:
        raise BusyError(
            f"{state.environment}: the experiment {current.experiment.name} runs; end it with"
            f" `slipway experiment decide --environment {state.environment}` or `slipway experiment stop`"
        )


def _image(image: str | None) -> str | None:
    if image and not re.fullmatch(IMAGE_BY_DIGEST, image):
        raise ArgumentError(f"--image {image}: not an image by digest; give NAME@sha256: and 64 hexadecimal digits")
    return image


def _pushed_image(store: Store, chosen: Published) -> str | None:
    """Return the image of a release in a registry that a cluster can reach, from its evidence; None without."""
    pushed = [record for record in records.read_all(store, chosen.version) if not record.is_local]
    return pushed[-1].image if pushed else None


def _content(chosen: Published, current: EnvironmentFile | None, image: str | None, number: int) -> EnvironmentFile:
    return EnvironmentFile(
        release=chosen.version,
        digest=chosen.digest,
        commit=chosen.built_from,
        replicas=current.replicas if current else 1,
        promotion=number,
        image=image,
        policy=current.policy if current else None,
    )


def _with_canary(content: EnvironmentFile, serving: EnvironmentFile | None, settings: CanarySection) -> EnvironmentFile:
    """Return `content` with a canary against `serving`, which serves all requests now, if it is another release."""
    if serving is None or serving.digest == content.digest:
        return content
    baseline = Baseline(**serving.model_dump(include=set(Baseline.model_fields)))
    canary = Canary(steps=tuple(settings.steps), shadow_percent=settings.shadow_percent, baseline=baseline)
    return content.model_copy(update={"canary": canary})


def _promotion_message(state: DesiredState, content: EnvironmentFile, current: EnvironmentFile | None) -> str:
    evidence = [line for job, result in _evidence(content).items() for line in verdict_lines(job, result)]
    facts = [f"Release: {content.release}", f"Replaces: {current.release if current else 'nothing'}"]
    facts += [f"{IMAGE}: {content.image}"] if content.image else []
    trailers = [*facts, f"{DIGEST}: {content.digest}", f"{BUILT_FROM}: {content.commit}"]
    return "\n".join(
        [f"Promote {content.release} to {state.environment}", "", *evidence, *([""] if evidence else []), *trailers, ""]
    )


def _evidence(content: EnvironmentFile) -> dict[str, results.JobResult]:
    """Return the local results about this release; results about others may remain from earlier runs."""
    return {job: result for job, result in results.read().items() if result.release == content.release}


def verdict_lines(job: str, result: results.JobResult[Any]) -> list[str]:
    """Return one line per verdict of a result, for a commit or tag message."""
    return [
        f"{job}: {verdict.gate.removeprefix(f'{job}: ')}: {verdict.outcome} ({verdict.observed}; {verdict.threshold})"
        for verdict in result.verdicts
    ]
