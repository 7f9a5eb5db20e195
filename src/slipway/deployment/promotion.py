"""`slipway release publish`, `promote` and `rollback`: changes of the desired state, and the wait until they serve."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import results
from slipway.dvc import remote
from slipway.dvc.files import LOCK, PIPELINE, DvcFiles, as_plain_files, blobs, digest_of
from slipway.environment import agent_report, client, versions
from slipway.environment.deploy_branch import BRANCH, BUILT_FROM, DIGEST, IMAGE, DeployBranch, previous_release
from slipway.environment.place import gateway_url
from slipway.environment.spec import FOLDER, IMAGE_BY_DIGEST, Baseline, Canary, EnvironmentFile, path_of
from slipway.errors import UserError
from slipway.git import Git
from slipway.release import manifest
from slipway.report.release import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.deploy_branch import Published
    from slipway.environment.state import State
    from slipway.release.manifest import Release
    from slipway.release.store import Store
    from slipway.settings.operation import CanarySection

POLL_SECONDS = 0.2  # between two requests to the gateway


def publish(root: Path, folder: Path, store: Store, evidence: Sequence[Path] = ()) -> Release:
    """Register the release in `folder` on `deploy` and put it into `store` with its `evidence` files.

    A repeated call completes what is missing. The push comes first, because only one process can win it: the tag
    reserves the version. Raises UserError when the version belongs to another release.
    """
    built = manifest.verify(folder)
    branch = DeployBranch(Git(root))
    branch.fetch()
    if built.version not in branch.versions():
        _register(branch, DvcFiles.read(root), built)
    elif branch.published(built.version).digest != built.digest:
        published = branch.published(built.version)
        raise UserError(
            f"{folder}: {built.version} has digest {built.digest}, but was published as {published.digest} from commit"
            f" {published.built_from[:12]}; a version is never built twice: run `slipway release build` on a new commit"
        )
    store.put(folder, evidence)
    return built


def promote(
    root: Path,
    environment: str,
    version: str | None,
    store: Store,
    image: str | None = None,
    canary: CanarySection | None = None,
    *,
    forward: bool = False,
) -> EnvironmentFile:
    """Promote a release to `environment` with one commit, and return the desired state.

    The default version is the newest release for staging, and the desired release of staging for production. `image` is
    the container image of the release by digest, by default that of its last promotion. With `canary`, the section of
    params.yaml, the release takes over in steps if another one serves. With `forward`, a version older than the desired
    one is refused, because a run that waited for approval may be outdated. Nothing changes when the release is already
    desired. Raises UserError.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    chosen = branch.published(version or default_version(branch, environment))
    if chosen.version not in store.versions():
        raise UserError(f"{chosen.version}: not in the store; run `slipway release publish` again")
    current = _current(branch, environment)
    if forward and current:
        _refuse_older(environment, chosen.version, current.release)
    image = _image(image) or branch.image_of(chosen.digest)
    same = current and (current.digest, current.image) == (chosen.digest, image)
    if current and same and not _is_bad(environment, current):
        print(f"{environment}: {chosen.version} is already the desired release")
        return current
    content = _content(branch, environment, chosen, current, image)
    if canary:
        content = _with_canary(branch, environment, content, current, canary)
    number = None if content.canary else content.promotion
    branch.change(environment, content, _promotion_message(environment, content, current), number=number)
    print(f"{environment}: the desired release is now {chosen.version}{', as a canary' if content.canary else ''}")
    return content


def conclude(root: Path, environment: str, content: EnvironmentFile, evidence: Sequence[str]) -> None:
    """Push the stage tag of a promotion whose canary passed, with the evidence in its message. Raises UserError."""
    branch = DeployBranch(Git(root))
    branch.fetch()
    branch.conclude(environment, content, "\n".join([f"Promote {content.release} to {environment}", "", *evidence]))


def abort(root: Path, environment: str, content: EnvironmentFile, evidence: Sequence[str]) -> str:
    """Revert a promotion whose canary did not pass, unless it was replaced; return the version that is now desired."""
    branch = DeployBranch(Git(root))
    branch.fetch()
    current = branch.read(environment)
    if current != content:
        return current.release if current else "nothing"
    return _revert(branch, environment, evidence).release


def rollback(root: Path, environment: str, version: str | None, store: Store) -> EnvironmentFile:
    """Roll `environment` back to its previous release, or promote `version`. Raises UserError without one."""
    if version:
        return promote(root, environment, version, store)
    branch = DeployBranch(Git(root))
    branch.fetch()
    return _revert(branch, environment, [])


def _revert(branch: DeployBranch, environment: str, evidence: Sequence[str]) -> EnvironmentFile:
    """Push the previous release as desired. Aborting a canary needs no stage tag: that release still has its own."""
    history = branch.history(environment)
    content = previous_release(history, lambda candidate: branch.is_concluded(environment, candidate))
    if content is None:
        raise UserError(f"{BRANCH}:{path_of(environment)}: no earlier release to roll back to; name one with --to")
    left = history[0].content
    lines = [f"Roll {environment} back to {content.release}", "", f"This reverts commit {history[0].commit}.", ""]
    lines += [*evidence, *([""] if evidence else []), *([f"Leaves: {left.release}"] if left else []), ""]
    is_aborted = left is not None and not branch.is_concluded(environment, left)
    number = None if is_aborted else branch.next_assignment(environment)
    branch.change(environment, content, "\n".join(lines), number=number)
    print(f"{environment}: the desired release is now {content.release}")
    return content


def wait(environment: str, content: EnvironmentFile, seconds: float) -> float:
    """Wait until the gateway of `environment` serves `content` alone, and return the seconds that it took.

    Raises UserError when the agent rejects the release, or after `seconds`.
    """
    url = gateway_url(environment)
    start, printed_until = time.monotonic(), time.time()
    while True:
        observed = agent_report.observed_state(environment)
        is_served = client.serves(url, content.release, content.commit)
        if is_served and (observed is None or _serves_alone(observed, content)):
            return time.monotonic() - start
        passed = time.monotonic() - start
        if observed and observed.bad and observed.bad.content == content:
            reason = observed.bad.reason
            raise UserError(
                f"{environment}: {content.release} was refused, {_serving(observed)} keeps serving: {reason}"
            )
        if passed > seconds:
            raise UserError(
                f"{environment}: {url} does not serve {content.release} after {seconds:g} s; {last_contact(observed)}"
            )
        printed_until = print_events(environment, observed, printed_until)
        time.sleep(POLL_SECONDS)


def _serves_alone(observed: State, content: EnvironmentFile) -> bool:
    """Return whether only `content` receives requests; during a rollout the gateway alternates between releases."""
    ready = [instance for instance in observed.instances if instance.phase == "ready"]
    alone = all((instance.digest, instance.role) == (content.digest, "main") for instance in ready)
    return observed.desired == content == observed.serving and alone


def print_events(environment: str, observed: State | None, printed_until: float) -> float:
    """Print the agent's events after the time `printed_until`, and return the time of the newest event printed."""
    events = [event for event in observed.events if event.time > printed_until] if observed else []
    for event in events:
        print(f"{environment}: {event.text}", flush=True)
    return events[-1].time if events else printed_until


def last_contact(observed: State | None) -> str:
    """Return the age of the agent's last report as a phrase for a message."""
    if observed is None:
        return "no agent has reported"
    return f"its agent last reported {time.time() - observed.heartbeat:.0f} s ago"


def _serving(observed: State) -> str:
    return observed.serving.release if observed.serving else "nothing"


def default_version(branch: DeployBranch, environment: str) -> str:
    """Return the version that a promotion to `environment` takes by default. Raises UserError without a release."""
    if environment == "staging":
        published = branch.versions()
        if not published:
            raise UserError("no release yet; run `slipway release build` and `slipway release publish`")
        return published[-1]
    staging = branch.read("staging")
    if staging is None:
        raise UserError(
            f"{BRANCH}:{path_of('staging')}: not found; promote to staging first, or name a release with --release"
        )
    return staging.release


def _current(branch: DeployBranch, environment: str) -> EnvironmentFile | None:
    """Return the desired state; None also when the file is invalid, since the promotion replaces it."""
    try:
        return branch.read(environment)
    except UserError:
        return None


def _refuse_older(environment: str, version: str, current: str) -> None:
    if versions.order(version) < versions.order(current):
        raise UserError(
            f"{environment}: the desired release {current} is newer than {version}; nothing was changed"
            f" (to go back, run `slipway rollback --environment {environment} --to {version}`)"
        )


def _is_bad(environment: str, content: EnvironmentFile) -> bool:
    observed = agent_report.observed_state(environment)
    return bool(observed and observed.bad and observed.bad.content == content)


def _image(image: str | None) -> str | None:
    if image and not re.fullmatch(IMAGE_BY_DIGEST, image):
        raise UserError(f"--image {image}: not an image by digest; give NAME@sha256: and 64 hexadecimal digits")
    return image


def _content(
    branch: DeployBranch, environment: str, chosen: Published, current: EnvironmentFile | None, image: str | None
) -> EnvironmentFile:
    return EnvironmentFile(
        release=chosen.version,
        digest=chosen.digest,
        commit=chosen.built_from,
        replicas=current.replicas if current else 1,
        promotion=branch.next_assignment(environment),
        image=image,
    )


def _with_canary(
    branch: DeployBranch,
    environment: str,
    content: EnvironmentFile,
    current: EnvironmentFile | None,
    settings: CanarySection,
) -> EnvironmentFile:
    """Return `content` with a canary against the release that serves all requests now, if there is another one."""
    serving = current if current is None or branch.is_concluded(environment, current) else current.baseline
    if serving is None or serving.digest == content.digest:
        return content
    baseline = Baseline(**serving.model_dump(include=set(Baseline.model_fields)))
    canary = Canary(steps=tuple(settings.steps), shadow_percent=settings.shadow_percent, baseline=baseline)
    return content.model_copy(update={"canary": canary})


def _register(branch: DeployBranch, dvc: DvcFiles, built: Release) -> None:
    """Commit the lock file and metrics of the release and, with the embedded store, its model.

    The store keeps the models of earlier releases, so a clone of the branch has them all. The model of this release is
    also committed as plain files, so `dvc artifacts get <repository> model` works from anywhere.
    """
    files = {name: (built.folder / name).read_bytes() for name in [LOCK, *dvc.metrics]}
    md5, objects = blobs(built.folder / "model", without=manifest.RELEASE)
    if md5 != built.manifest["inputs"]["model"]:
        raise UserError(
            f"{built.folder / 'model'}: MD5 is {md5}, expected {built.manifest['inputs']['model']}; build it again"
        )
    embedded = dvc.embedded_store
    if embedded is None:
        remote.push(dvc.model, {f"{dvc.model}, {path}": digest_of(path) for path in objects}, dvc.root)
        keep = [FOLDER]
    else:
        files |= {f"{embedded}/{path}": content for path, content in objects.items()}
        pipeline = branch.git.read_text(built.commit, PIPELINE)
        if pipeline is None:
            raise UserError(f"{PIPELINE}: missing in commit {built.commit[:12]}, from which {built.version} was built")
        files |= as_plain_files(pipeline, built.folder / "model", without=manifest.RELEASE)
        keep = [FOLDER, embedded]
    branch.publish(_release_message(built), (built.version, built.digest, built.commit), files, keep)


def _release_message(built: Release) -> str:
    metrics = built.manifest["metrics"]
    return "\n".join([f"Release {built.version}", "", *(f"{name} = {value:g}" for name, value in leaves(metrics))])


def _promotion_message(environment: str, content: EnvironmentFile, current: EnvironmentFile | None) -> str:
    evidence = [line for job, result in _evidence(content).items() for line in verdict_lines(job, result)]
    facts = [f"Release: {content.release}", f"Replaces: {current.release if current else 'nothing'}"]
    facts += [f"{IMAGE}: {content.image}"] if content.image else []
    trailers = [*facts, f"{DIGEST}: {content.digest}", f"{BUILT_FROM}: {content.commit}"]
    return "\n".join(
        [f"Promote {content.release} to {environment}", "", *evidence, *([""] if evidence else []), *trailers, ""]
    )


def _evidence(content: EnvironmentFile) -> dict[str, results.JobResult]:
    """Return the local results about this release; results about others may remain from earlier runs."""
    return {job: result for job, result in results.read().items() if result.evidence.get("release") == content.release}


def verdict_lines(job: str, result: results.JobResult) -> list[str]:
    """Return one line per verdict of a result, for a commit or tag message."""
    return [
        f"{job}: {verdict.gate.removeprefix(f'{job}: ')}: {verdict.outcome} ({verdict.observed}; {verdict.threshold})"
        for verdict in result.verdicts
    ]
