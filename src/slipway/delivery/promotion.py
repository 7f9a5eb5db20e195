"""`slipway release publish`, `promote`, `rollback`: changes of the desired state, and the wait until they are real."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import dvc_remote, results
from slipway.delivery import clients, release, versions
from slipway.delivery.agent import agents
from slipway.delivery.desired_state import BRANCH, BUILT_FROM, DIGEST, IMAGE, DeployBranch, before
from slipway.delivery.dvc_files import LOCK, PIPELINE, DvcFiles, as_plain_files, blobs, digest_of
from slipway.delivery.environment_file import FOLDER, IMAGE_BY_DIGEST, Baseline, Canary, EnvironmentFile, path_of
from slipway.delivery.home import gateway_url
from slipway.errors import UserError
from slipway.git import Git
from slipway.report.release import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.delivery.agent.state import State
    from slipway.delivery.desired_state import Published
    from slipway.delivery.release import Release
    from slipway.delivery.store import Store

LOOK_SECONDS = 0.2  # between two looks at the front door


def publish(root: Path, folder: Path, store: Store, beside: Sequence[Path] = ()) -> Release:
    """Make the release in `folder` known on `deploy`, and keep it in `store`, with the files `beside` it.

    Again: completes what is missing.

    The push comes first, because only one can win it: a version is taken by whoever pushed its tag.
    """
    built = release.verify(folder)
    branch = DeployBranch(Git(root))
    branch.fetch()
    if built.version not in branch.versions():
        _register(branch, DvcFiles.read(root), built)
    elif branch.published(built.version).digest != built.digest:
        known = branch.published(built.version)
        raise UserError(
            f"{built.version}: published as {known.digest} from commit {known.built_from[:12]}, {folder} is"
            f" {built.digest}; a version is never built twice: run `slipway release build` on a new commit"
        )
    store.put(folder, beside)
    return built


def promote(
    root: Path,
    environment: str,
    version: str | None,
    store: Store,
    image: str | None = None,
    canary: Mapping[str, Any] | None = None,
    *,
    forward: bool = False,
) -> EnvironmentFile:
    """Make `environment` run a release from now on: one commit, unless that is what it should run already.

    Default: for staging the newest release, for production what staging should run. `image` is the release for
    Kubernetes, by digest; by default the one that it was promoted with before. With `canary`, the section of
    params.yaml, the release takes over in steps, if anything served before. With `forward`, a release that is older
    than what `environment` should run is refused: a run that waited for reviewers may have been overtaken.
    Raises UserError.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    chosen = branch.published(version or default(branch, environment))
    if chosen.version not in store.versions():
        raise UserError(f"{chosen.version}: not in the store; run `slipway release publish` again")
    current = _current(branch, environment)
    if forward and current:
        _refuse_older(environment, chosen.version, current.release)
    image = _image(image) or branch.image_of(chosen.digest)
    same = current and (current.digest, current.image) == (chosen.digest, image)
    if current and same and not _is_bad(environment, current):
        print(f"{environment}: {chosen.version} is what it should run already")
        return current
    content = _content(branch, environment, chosen, current, image)
    if canary:
        content = _with_canary(branch, environment, content, current, canary)
    number = None if content.canary else content.promotion
    branch.change(environment, content, _promotion_message(environment, content, current), number=number)
    print(f"{environment}: {BRANCH} now says {chosen.version}{' as a canary' if content.canary else ''}")
    return content


def conclude(root: Path, environment: str, content: EnvironmentFile, evidence: Sequence[str]) -> None:
    """Give the promotion whose canary passed its stage tag, which quotes the evidence. Raises UserError."""
    branch = DeployBranch(Git(root))
    branch.fetch()
    branch.conclude(environment, content, "\n".join([f"Promote {content.release} to {environment}", "", *evidence]))


def call_off(root: Path, environment: str, content: EnvironmentFile, evidence: Sequence[str]) -> str:
    """Revert the promotion whose canary did not pass, unless that was done. Returns what should serve from then on."""
    branch = DeployBranch(Git(root))
    branch.fetch()
    now = branch.read(environment)
    if now != content:
        return now.release if now else "nothing"
    return _revert(branch, environment, evidence).release


def rollback(root: Path, environment: str, version: str | None, store: Store) -> EnvironmentFile:
    """Go back to what `environment` ran before, or promote `version`. Raises UserError when nothing ran before."""
    if version:
        return promote(root, environment, version, store)
    branch = DeployBranch(Git(root))
    branch.fetch()
    return _revert(branch, environment, [])


def _revert(branch: DeployBranch, environment: str, evidence: Sequence[str]) -> EnvironmentFile:
    """Go back to what served all before. To leave a canary needs no stage tag: the release before still has its own."""
    history = branch.history(environment)
    content = before(history, lambda one: branch.is_concluded(environment, one))
    if content is None:
        raise UserError(f"{BRANCH}:{path_of(environment)}: no earlier release to go back to; name one with --to")
    left = history[0].content
    lines = [f"Roll {environment} back to {content.release}", "", f"This reverts commit {history[0].commit}.", ""]
    lines += [*evidence, *([""] if evidence else []), *([f"Leaves: {left.release}"] if left else []), ""]
    called_off = left is not None and not branch.is_concluded(environment, left)
    number = None if called_off else branch.next_assignment(environment)
    branch.change(environment, content, "\n".join(lines), number=number)
    print(f"{environment}: {BRANCH} now says {content.release}")
    return content


def wait(environment: str, content: EnvironmentFile, seconds: float) -> float:
    """Wait until the front door of `environment` serves `content`; returns the seconds it took.

    Raises UserError when the agent reports the release bad, or after `seconds`.
    """
    url = gateway_url(environment)
    start, said = time.monotonic(), time.time()
    while True:
        known = agents.observed_state(environment)
        if clients.serves(url, content.release, content.commit) and (known is None or _is_whole(known, content)):
            return time.monotonic() - start
        passed = time.monotonic() - start
        if known and known.bad and known.bad.content == content:
            raise UserError(
                f"{environment}: {content.release} was refused, {_serving(known)} keeps serving: {known.bad.reason}"
            )
        if passed > seconds:
            raise UserError(
                f"{environment}: {url} does not serve {content.release} after {seconds:g} s; {last_seen(known)}"
            )
        said = progress(environment, known, said)
        time.sleep(LOOK_SECONDS)


def _is_whole(known: State, content: EnvironmentFile) -> bool:
    """Whether nobody else gets requests: while releases change places, the front door shows now one, now the other."""
    ready = [one for one in known.instances if one.phase == "ready"]
    alone = all((one.digest, one.role) == (content.digest, "main") for one in ready)
    return known.desired == content == known.serving and alone


def progress(environment: str, known: State | None, said: float) -> float:
    """Print what the agent did after the time `said`; returns the time of the newest of it."""
    events = [event for event in known.events if event.time > said] if known else []
    for event in events:
        print(f"{environment}: {event.text}", flush=True)
    return events[-1].time if events else said


def last_seen(known: State | None) -> str:
    """When the agent was last seen, in words."""
    return f"its agent was last seen {time.time() - known.heartbeat:.0f} s ago" if known else "no agent was seen"


def _serving(known: State) -> str:
    return known.serving.release if known.serving else "nothing"


def default(branch: DeployBranch, environment: str) -> str:
    """What the next promotion to `environment` takes, unless a release is named. Raises UserError without any."""
    if environment == "staging":
        known = branch.versions()
        if not known:
            raise UserError("no release yet; run `slipway release build` and `slipway release publish`")
        return known[-1]
    staging = branch.read("staging")
    if staging is None:
        raise UserError(
            f"{BRANCH}:{path_of('staging')}: not there; promote to staging first, or name a release with --release"
        )
    return staging.release


def _current(branch: DeployBranch, environment: str) -> EnvironmentFile | None:
    """None as well when the file cannot be read: the promotion mends it."""
    try:
        return branch.read(environment)
    except UserError:
        return None


def _refuse_older(environment: str, version: str, current: str) -> None:
    if versions.order(version) < versions.order(current):
        raise UserError(
            f"{environment}: should run {current}, which is newer than {version}; nothing was changed"
            f" (`slipway rollback --environment {environment} --to {version}` goes back)"
        )


def _is_bad(environment: str, content: EnvironmentFile) -> bool:
    known = agents.observed_state(environment)
    return bool(known and known.bad and known.bad.content == content)


def _image(given: str | None) -> str | None:
    if given and not re.fullmatch(IMAGE_BY_DIGEST, given):
        raise UserError(f"--image {given}: not an image by digest; give NAME@sha256: and 64 digits")
    return given


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
    limits: Mapping[str, Any],
) -> EnvironmentFile:
    """Against what serves all now; without anything there is nothing to take over from."""
    serving = current if current is None or branch.is_concluded(environment, current) else current.baseline
    if serving is None or serving.digest == content.digest:
        return content
    baseline = Baseline(**serving.model_dump(include=set(Baseline.model_fields)))
    percent = limits["shadow_percent"]
    return content.model_copy(
        update={"canary": Canary(steps=limits["steps"], shadow_percent=percent, baseline=baseline)}
    )


def _register(branch: DeployBranch, dvc: DvcFiles, built: Release) -> None:
    """Commit what the release adds to the merged commit: lock, metrics and, if git keeps the store, the model.

    Models of earlier releases stay in the store, so that DVC finds each in a clone of the branch; the model of this one
    is there as plain files too, so that `dvc artifacts get <repository> model` finds it from anywhere.
    """
    files = {name: (built.folder / name).read_bytes() for name in [LOCK, *dvc.metrics]}
    whole, objects = blobs(built.folder / "model", without=release.RELEASE)
    if whole != built.manifest["inputs"]["model"]:
        raise UserError(
            f"{built.folder / 'model'}: MD5 is {whole}, expected {built.manifest['inputs']['model']}; refused"
        )
    embedded = dvc.embedded_store
    if embedded is None:
        dvc_remote.push(dvc.model, {f"{dvc.model}, {path}": digest_of(path) for path in objects}, dvc.root)
        keep = [FOLDER]
    else:
        files |= {f"{embedded}/{path}": content for path, content in objects.items()}
        pipeline = branch.git.read_text(built.commit, PIPELINE)
        if pipeline is None:
            raise UserError(f"{PIPELINE}: not in commit {built.commit[:12]}, which {built.version} was built from")
        files |= as_plain_files(pipeline, built.folder / "model", without=release.RELEASE)
        keep = [FOLDER, embedded]
    branch.publish(_release_message(built), (built.version, built.digest, built.commit), files, keep)


def _release_message(built: Release) -> str:
    metrics = built.manifest["metrics"]
    return "\n".join([f"Release {built.version}", "", *(f"{name} = {value:g}" for name, value in leaves(metrics))])


def _promotion_message(environment: str, content: EnvironmentFile, current: EnvironmentFile | None) -> str:
    evidence = [line for job, result in _evidence(content).items() for line in quoted(job, result)]
    facts = [f"Release: {content.release}", f"Replaces: {current.release if current else 'nothing'}"]
    facts += [f"{IMAGE}: {content.image}"] if content.image else []
    trailers = [*facts, f"{DIGEST}: {content.digest}", f"{BUILT_FROM}: {content.commit}"]
    return "\n".join(
        [f"Promote {content.release} to {environment}", "", *evidence, *([""] if evidence else []), *trailers, ""]
    )


def _evidence(content: EnvironmentFile) -> dict[str, results.JobResult]:
    """Results that say that they are about this very release; older ones may still lie about."""
    return {job: result for job, result in results.read().items() if result.evidence.get("release") == content.release}


def quoted(job: str, result: results.JobResult) -> list[str]:
    """Verdicts of a result, a line each."""
    return [
        f"{job}: {verdict.gate.removeprefix(f'{job}: ')}: {verdict.outcome} ({verdict.observed}; {verdict.threshold})"
        for verdict in result.verdicts
    ]
