"""The delivery commands as functions: each reads the settings, runs one operation and prints its result."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.agent import processes, status, status_text, supervision
from slipway.agent.agent import Agent, AgentSettings, prefix
from slipway.agent.follower import Follower, accept_rewritten
from slipway.agent.lock import locked
from slipway.deployment import promotion, rollout, smoke
from slipway.environment import manifests
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.place import ENVIRONMENTS, Place, gateway_url, store_url
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.git.redact import redacted
from slipway.github import workflows
from slipway.github.api import IMMUTABLE, ApiError
from slipway.release import build as builds
from slipway.release import evidence
from slipway.release.signing import attestation, keys, signature
from slipway.release.store import Store, open_store
from slipway.results import RESULTS, recorded
from slipway.settings import read_params, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.environment.spec import EnvironmentFile
    from slipway.results import JobResult

ROOT = Path()


def build(output: Path, report: Path | None) -> None:
    """Build and sign a release, or fetch it if this commit has one, and record the circumstances of the build."""
    with recorded("build") as result:
        result.evidence = evidence.circumstances()
        signer = keys.signer()  # first, because an invalid key should fail before the build
        fetched = builds.fetch_published(ROOT, output, _store)
        built = fetched or builds.build(ROOT, output, report)
        signature.write(built, None if fetched else signer)
        workflows.set_output("built", "false" if fetched else "true")
        workflows.set_output("release", built.version)
        result.evidence |= {"release": built.version, "digest": built.digest}
        result.verdicts = [Verdict("release", Outcome.PASS, "every file matches the manifest", built.digest)]
    print(f"{output}: {built.version}, {built.digest}, {len(built.manifest['files'])} files")


def publish(folder: Path, bundle: Path | None) -> None:
    """Publish a release with its signature and the attestation in `bundle`, and print the store."""
    with recorded("publish") as result:
        evidence_folder = signature.evidence_folder(folder)
        if bundle:
            attestation.add(bundle, evidence_folder)
        built = promotion.publish(ROOT, folder, _store(), sorted(evidence_folder.glob("*")))
        url = redacted(store_url())
        result.evidence = {"release": built.version, "digest": built.digest}
        result.verdicts = [Verdict("stored", Outcome.PASS, "on the branch deploy and in the store", url)]
    print(f"{built.version}: published as {built.digest} in {url}")


def list_releases(*, as_json: bool) -> None:
    """Print the releases, newest first, each with the environments in which it is desired."""
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    listed = list(_releases(branch))
    print(json.dumps(listed, indent=2) if as_json else "\n".join(map(_release_line, listed)))


def _releases(branch: DeployBranch) -> Iterator[dict[str, Any]]:
    stored = set(_store().versions())
    desired = {name: branch.read(name) for name in ENVIRONMENTS}
    for version in reversed(branch.versions()):
        published = branch.published(version)
        yield {
            "release": version,
            "commit": published.built_from,
            "digest": published.digest,
            "desired_in": [name for name, content in desired.items() if content and content.release == version],
            "stored": version in stored,
        }


def _release_line(release: dict[str, Any]) -> str:
    notes = [*release["desired_in"], *([] if release["stored"] else ["not in the store"])]
    return f"{release['release']:<10} {release['commit'][:12]}  {release['digest']}  {', '.join(notes)}".rstrip()


def store_evidence(version: str | None) -> None:
    """Store the results in results/ with the releases that they are about, and print their names.

    GitHub's immutable releases accept no evidence; that is a line in the job summary and does not fail a deployment.
    """
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    default = version or branch.version_of(branch.git.read_commit("HEAD").id)
    try:
        stored = evidence.store_results(_store(), default)
    except ApiError as error:
        if IMMUTABLE not in str(error):
            raise
        note = f"No evidence was stored with the release: {error}, or set SLIPWAY_STORE to another store"
        print(f"{note}. The results remain in {RESULTS}/.")
        workflows.add_to_summary(f"\n{note}. The results remain in the artifacts of this run.\n")
        return
    for release, names in stored.items():
        print(f"{release}: stored {', '.join(names)}")
    if not stored:
        print(f"{RESULTS}: no result is about a release in the store; nothing was stored")


def prune(count: int) -> None:
    """Remove old releases from the store, except those that an environment runs, ran last or would roll back to."""
    branch, store = DeployBranch(Git(ROOT)), _store()
    branch.fetch()
    used = {version for name in ENVIRONMENTS for version in evidence.in_use(branch, name)}
    removed = evidence.prunable(store.versions(), used, count)
    for version in removed:
        store.remove(version)
        print(f"{version}: removed")
    print(f"{len(removed)} removed, {len(store.versions())} left")


def promote(environment: str, version: str | None, image: str | None, *, canary: bool | None, wait: bool) -> None:
    """Promote a release and, with `wait`, wait until it serves. By default only production has a canary."""
    with _recorded("promote", environment) as result:
        _require_gateway(environment, wait)
        settings, has_canary = read_settings(), environment == "production" if canary is None else canary
        canary_settings = settings.canary if has_canary else None
        content = promotion.promote(ROOT, environment, version, _store(), image, canary_settings, forward=True)
        if content.canary and wait:
            rollout.follow(ROOT, environment, content, settings, _store())
        _wait(environment, content, wait)
        _record_served(result, content, wait)


def rollback(environment: str, version: str | None, *, wait: bool) -> None:
    """Roll back an environment and, with `wait`, wait until the release serves."""
    with _recorded("rollback", environment) as result:
        _require_gateway(environment, wait)
        content = promotion.rollback(ROOT, environment, version, _store())
        _wait(environment, content, wait)
        _record_served(result, content, wait)


def render_manifests() -> None:
    """Render the Kubernetes manifests of every environment and print their paths."""
    for file in manifests.render(ROOT):
        print(file)


def agent(environment: str, *, once: bool, detach: bool) -> None:
    """Run an agent until it is stopped, until the environment is in its desired state, or in the background."""
    place = Place.of(environment)
    params = read_params()
    keys.trusted(ROOT)  # an invalid key fails now, not at the next release
    if detach:
        print(f"{environment}: {supervision.detach(place, params['agent']['ready_seconds'])}")
        return
    with locked(place) as lock:
        processes.tag_children(f"{prefix(place)}agent")
        remote = Git(ROOT).run("remote", "get-url", "origin")
        follower = Follower(place.mirror, _absolute(remote), environment)
        agent_ = Agent(place, follower, _store(), AgentSettings.of(params))
        if once:
            supervision.run_once(agent_, params["agent"]["promote_seconds"])
        else:
            supervision.run(agent_, lock)


def stop(environments: list[str]) -> None:
    """Stop the agent, gateway and services of each environment."""
    for name in environments:
        supervision.stop(Place.of(name), supervision.STOP_TIMEOUT_SECONDS)
        print(f"{name}: stopped")


def confirm(environment: str) -> None:
    """Let the agent follow a rewritten branch from its current commit on."""
    commit = accept_rewritten(Place.of(environment))
    print(f"{environment}: the agent follows the branch from {commit} on")


def run_smoke(environment: str) -> int:
    """Run the smoke test of an environment and return the exit status, 0 for a pass."""
    return smoke.smoke(ROOT, environment, _store())


def print_status(*, as_json: bool) -> None:
    """Print the desired state and observed status of every environment."""
    content = status.status(ROOT)
    print(json.dumps(content, indent=2) if as_json else status_text.render(content))


def _store() -> Store:
    return open_store(store_url())


@contextmanager
def _recorded(job: str, environment: str) -> Iterator[JobResult]:
    """Record the result of a change of the desired state, including a failure."""
    with recorded(job) as result:
        result.evidence = {"environment": environment}
        yield result


def _record_served(result: JobResult, content: EnvironmentFile, wait: bool) -> None:
    result.evidence |= {"release": content.release, "digest": content.digest}
    observed = content.release if wait else "did not wait"
    result.verdicts = [Verdict("served", Outcome.PASS, f"the gateway serves {content.release}", observed)]


def _require_gateway(environment: str, wait: bool) -> None:
    """Raise UserError before anything is promoted when the gateway to wait for has no URL."""
    if wait:
        gateway_url(environment)


def _wait(environment: str, content: EnvironmentFile, wait: bool) -> None:
    if wait:
        seconds = promotion.wait(environment, content, read_settings().agent.promote_seconds)
        print(f"{environment}: serves {content.release} at {gateway_url(environment)} ({seconds:.1f} s)")


def _absolute(remote: str) -> str:
    """Return a remote that is a path as an absolute path, because the agent runs git in another folder."""
    return str(Path(remote).resolve()) if Path(remote).exists() else remote
