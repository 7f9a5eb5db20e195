"""Delivery: publish a release, promote it, roll it back and test it. Each operation records its result."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output, webhook
from slipway.deployment import policy, promotion, rollout, user_experiment, waiting
from slipway.environment import manifests
from slipway.environment.place import store_url
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git.redact import redacted
from slipway.github import workflows
from slipway.release import publish as publication
from slipway.release.signing import attestation, signature
from slipway.release.store import open_store
from slipway.results import Subject, recorded
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.deployment.user_experiment import Options
    from slipway.environment.environment import Environment
    from slipway.environment.spec import EnvironmentFile
    from slipway.results import JobResult

ROOT = Path()


def publish(folder: Path, bundle: Path | None) -> None:
    """Publish a release with its signature and the attestation in `bundle`, and print the store."""
    with recorded("publish") as result:
        evidence_folder = signature.evidence_folder(folder)
        if bundle:
            attestation.add(bundle, evidence_folder)
        built = publication.publish(ROOT, folder, open_store(), sorted(evidence_folder.glob("*")))
        url = redacted(store_url())
        result.evidence = Subject(release=built.version, digest=built.digest)
        result.verdicts = [Verdict("stored", Outcome.PASS, "on the branch deploy and in the store", url)]
    output.result(result, f"{built.version}: published as {built.digest} in {url}")


def promote(
    environment: Environment, version: str | None, image: str | None, *, canary: bool | None, wait: bool
) -> None:
    """Promote a release and, with `wait`, wait until it serves. By default only production has a canary."""
    with _recorded("promote", environment) as result:
        if wait:
            _ = environment.url  # raises UserError before anything is promoted
        settings, has_canary = read_settings(), environment.name == "production" if canary is None else canary
        canary_settings = settings.canary if has_canary else None
        rejected, state = environment.rejected(), environment.fetch()
        content = promotion.promote(
            state, version, open_store(), image, canary_settings, forward=True, rejected=rejected
        )
        if content.canary and wait:
            rollout.follow(environment, content, settings, open_store())
        _wait(environment, content, wait)
        _record_served(result, content, wait)


def rollback(environment: Environment, version: str | None, *, wait: bool) -> None:
    """Roll back an environment and, with `wait`, wait until the release serves."""
    with _recorded("rollback", environment) as result:
        if wait:
            _ = environment.url  # raises UserError before anything is changed
        rejected = environment.rejected()
        content = promotion.rollback(environment.fetch(), version, open_store(), rejected)
        _wait(environment, content, wait)
        _record_served(result, content, wait)


def approve(environment: Environment, version: str) -> None:
    """Approve a release for an environment whose policy requires it, and print the commit."""
    commit = policy.approve(environment.fetch(), version)
    output.result({"commit": commit}, f"{environment}: {version} is approved by commit {commit[:12]}")


def start_experiment(environment: Environment, options: Options, *, dry_run: bool) -> None:
    """Start an experiment by user, and print the number of users; with `dry_run`, only print it."""
    if dry_run:
        plan, action = user_experiment.plan_of(options), "would need"
    else:
        plan, action = user_experiment.start(environment.fetch(), options, open_store()).plan, "runs; it needs"
    text = f"{environment}: experiment {options.name} {action} {plan.users:,} users with an outcome on each side"
    output.result({"users": plan.users}, text)


def stop_experiment(environment: Environment) -> None:
    """End the experiment of an environment without a decision, and print its name."""
    state = environment.fetch()
    _, experiment = user_experiment.running(state)
    user_experiment.end(state, experiment.name, ["Stopped without a decision"])
    output.result({"name": experiment.name}, f"{environment}: experiment {experiment.name} ended without a decision")


def render_manifests() -> None:
    """Render the Kubernetes manifests of every environment and print their paths."""
    files = [str(file) for file in manifests.render(ROOT)]
    output.result({"files": files}, "\n".join(files))


@contextmanager
def _recorded(job: str, environment: Environment) -> Iterator[JobResult]:
    """Record the result of a change of the desired state, including a failure, and send it to the webhook."""
    with recorded(job) as result:
        result.evidence = Subject(environment=environment.name)
        try:
            yield result
        except UserError as error:
            webhook.notify(f"❌ {environment}: {job} failed", str(error), workflows.run_url())
            raise
    verdicts = "; ".join(verdict.observed for verdict in result.verdicts)
    webhook.notify(f"✅ {environment}: {job} to {result.release}", f"Observed: {verdicts}", workflows.run_url())


def _record_served(result: JobResult, content: EnvironmentFile, wait: bool) -> None:
    result.evidence = result.evidence.model_copy(update={"release": content.release, "digest": content.digest})
    observed = content.release if wait else "did not wait"
    result.verdicts = [Verdict("served", Outcome.PASS, f"the gateway serves {content.release}", observed)]


def _wait(environment: Environment, content: EnvironmentFile, wait: bool) -> None:
    if wait:
        seconds = waiting.until_served(environment, content, read_settings().agent.promote_seconds)
        output.result_line(f"{environment}: serves {content.release} at {environment.url} ({seconds:.1f} s)")
