"""The verbs of delivery, as the command line calls them: settings read, pieces put together."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.delivery import build as builds
from slipway.delivery import evidence, manifests, promotion, rollout, smoke
from slipway.delivery.agent import processes, status, status_text, supervision
from slipway.delivery.agent.agent import Agent, AgentSettings, prefix
from slipway.delivery.agent.follower import Follower, accept_rewritten
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import ENVIRONMENTS, Place, gateway_url, store_url
from slipway.delivery.lock import locked
from slipway.delivery.store import Store, open_store
from slipway.delivery.trust import attestation, keys, signature
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import IMMUTABLE, ApiError
from slipway.redact import redacted
from slipway.results import RESULTS, add_to_summary, recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.results import JobResult

ROOT = Path()


def build(output: Path, report: Path | None) -> None:
    """Build a release, or fetch it if this commit has one already, say what it is, and record who built it."""
    with recorded("build") as result:
        result.evidence = evidence.circumstances()
        signer = keys.signer()  # one that cannot be read is no reason to build first
        fetched = builds.fetch_published(ROOT, output, _store)
        built = fetched or builds.build(ROOT, output, report)
        signature.write(built, None if fetched else signer)
        _tell_workflow("built", "false" if fetched else "true")
        _tell_workflow("release", built.version)
        result.evidence |= {"release": built.version, "digest": built.digest}
        result.verdicts = [Verdict("release", Outcome.PASS, "every byte is as sealed", built.digest)]
    print(f"{output}: {built.version}, {built.digest}, {len(built.manifest['files'])} files")


def publish(folder: Path, bundle: Path | None) -> None:
    """Publish a release, with its signature and what GitHub attested of it, and say where."""
    with recorded("publish") as result:
        beside = signature.evidence_folder(folder)
        if bundle:
            attestation.keep(bundle, beside)
        built = promotion.publish(ROOT, folder, _store(), sorted(beside.glob("*")))
        where = redacted(store_url())
        result.evidence = {"release": built.version, "digest": built.digest}
        result.verdicts = [Verdict("stored", Outcome.PASS, "on the branch deploy and in the store", where)]
    print(f"{built.version}: published as {built.digest} in {where}")


def list_releases(*, as_json: bool) -> None:
    """Print each release: newest first, with where it is desired."""
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    listed = list(_releases(branch))
    print(json.dumps(listed, indent=2) if as_json else "\n".join(map(_release_line, listed)))


def _releases(branch: DeployBranch) -> Iterator[dict[str, Any]]:
    stored = set(_store().versions())
    desired = {name: branch.read(name) for name in ENVIRONMENTS}
    for version in reversed(branch.versions()):
        one = branch.published(version)
        yield {
            "release": version,
            "commit": one.built_from,
            "digest": one.digest,
            "desired_in": [name for name, content in desired.items() if content and content.release == version],
            "stored": version in stored,
        }


def _release_line(one: dict[str, Any]) -> str:
    marks = [*one["desired_in"], *([] if one["stored"] else ["not in the store"])]
    return f"{one['release']:<10} {one['commit'][:12]}  {one['digest']}  {', '.join(marks)}".rstrip()


def store_evidence(version: str | None) -> None:
    """Store the results that are here with the releases that they are about, and print their names.

    Where GitHub's releases are immutable, none can be kept: that is a line in the job summary, and stops no deployment.
    """
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    about = version or branch.version_of(branch.git.read_commit("HEAD").id)
    try:
        kept = evidence.store_results(_store(), about)
    except ApiError as error:
        if IMMUTABLE not in str(error):
            raise
        note = f"no evidence is kept with the release: {error}, or name another store in SLIPWAY_STORE"
        print(f"{note}; {RESULTS}/ has it")
        add_to_summary(f"\n{note}; the artifacts of this run have it\n")
        return
    for release, names in kept.items():
        print(f"{release}: kept {', '.join(names)}")
    if not kept:
        print(f"{RESULTS}: no result is about a release that is in the store; nothing was kept")


def prune(count: int) -> None:
    """Remove old releases from the store, but none that an environment names, named last, or would go back to."""
    branch, store = DeployBranch(Git(ROOT)), _store()
    branch.fetch()
    named = {version for name in ENVIRONMENTS for version in evidence.in_use(branch, name)}
    removed = evidence.superfluous(store.versions(), named, count)
    for version in removed:
        store.remove(version)
        print(f"{version}: removed")
    print(f"{len(removed)} removed, {len(store.versions())} left")


def promote(environment: str, version: str | None, image: str | None, *, canary: bool | None, wait: bool) -> None:
    """Promote, and wait until the environment serves it. By default only production has a canary."""
    with _recorded("promote", environment) as result:
        _refuse_unreachable(environment, wait)
        params, tried = read_params(), environment == "production" if canary is None else canary
        steps = params["canary"] if tried else None
        content = promotion.promote(ROOT, environment, version, _store(), image, steps, forward=True)
        if content.canary and wait:
            rollout.follow(ROOT, environment, content, params, _store())
        _wait(environment, content, wait)
        _tell(result, content, wait)


def rollback(environment: str, version: str | None, *, wait: bool) -> None:
    """Roll back, and wait until the environment serves it."""
    with _recorded("rollback", environment) as result:
        _refuse_unreachable(environment, wait)
        content = promotion.rollback(ROOT, environment, version, _store())
        _wait(environment, content, wait)
        _tell(result, content, wait)


def render_manifests() -> None:
    """Render the manifests of each environment, and say where."""
    for file in manifests.render(ROOT):
        print(file)


def agent(environment: str, *, once: bool, detach: bool) -> None:
    """Run an agent: until it is stopped, once, or in the background."""
    place = Place.of(environment)
    params = read_params()
    keys.trusted(ROOT)  # one that cannot be read is told now, not when a release comes
    if detach:
        print(f"{environment}: {supervision.detach(place, params['agent']['ready_seconds'])}")
        return
    with locked(place) as lock:
        processes.tag_children(f"{prefix(place)}agent")
        remote = Git(ROOT).run("remote", "get-url", "origin")
        follower = Follower(place.mirror, _absolute(remote), environment)
        one = Agent(place, follower, _store(), AgentSettings.of(params))
        if once:
            supervision.run_once(one, params["agent"]["promote_seconds"])
        else:
            supervision.run(one, lock)


def stop(environments: list[str]) -> None:
    """End everything of each environment."""
    for name in environments:
        supervision.stop(Place.of(name), supervision.STOP_TIMEOUT_SECONDS)
        print(f"{name}: stopped")


def confirm(environment: str) -> None:
    """Let the agent follow a branch that was rewritten, as it is now."""
    commit = accept_rewritten(Place.of(environment))
    print(f"{environment}: the branch is followed from {commit} on")


def run_smoke(environment: str) -> int:
    """Smoke test an environment."""
    return smoke.smoke(ROOT, environment, _store())


def print_status(*, as_json: bool) -> None:
    """Print the status of each environment."""
    content = status.status(ROOT)
    print(json.dumps(content, indent=2) if as_json else status_text.render(content))


def _store() -> Store:
    return open_store(store_url())


def _tell_workflow(name: str, value: str) -> None:
    """An output of the step, where a workflow runs."""
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


@contextmanager
def _recorded(job: str, environment: str) -> Iterator[JobResult]:
    """Record what becomes of a change of the desired state, why it failed above all."""
    with recorded(job) as result:
        result.evidence = {"environment": environment}
        yield result


def _tell(result: JobResult, content: promotion.EnvironmentFile, wait: bool) -> None:
    result.evidence |= {"release": content.release, "digest": content.digest}
    observed = content.release if wait else "not waited for"
    result.verdicts = [Verdict("served", Outcome.PASS, f"the front door shows {content.release}", observed)]


def _refuse_unreachable(environment: str, wait: bool) -> None:
    """Better nothing is promoted than something that nobody can see."""
    if wait:
        gateway_url(environment)


def _wait(environment: str, content: promotion.EnvironmentFile, wait: bool) -> None:
    if wait:
        seconds = promotion.wait(environment, content, read_params()["agent"]["promote_seconds"])
        print(f"{environment}: serves {content.release} at {gateway_url(environment)} ({seconds:.1f} s)")


def _absolute(remote: str) -> str:
    """A remote that is a path is meant from here; the agent looks from elsewhere."""
    return str(Path(remote).resolve()) if Path(remote).exists() else remote
