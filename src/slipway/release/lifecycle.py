"""The life of a release: build it, list releases, store their evidence, and prune old ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from slipway import output
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.desired_state import DesiredState
from slipway.environment.place import ENVIRONMENTS
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import workflows
from slipway.release import build as builds
from slipway.release import evidence
from slipway.release.signing import keys, signature
from slipway.release.store import open_store
from slipway.results import RESULTS, Job, JobResult, recorded
from slipway.schema.bounds import Evidence, Maybe

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path()
BUILD: Final = Job("build", JobResult[Maybe[evidence.BuildEvidence]])


class ListedRelease(Evidence):
    """A release, as `slipway release list` prints it."""

    release: str
    commit: str
    """Commit from which it was built."""
    digest: str
    desired_in: list[str]
    """Environments whose desired release it is."""
    stored: bool
    """Whether the store has it."""


def build(folder: Path, report: Path | None) -> None:
    """Build and sign a release, or fetch it if this commit has one, and record the circumstances of the build."""
    with recorded(BUILD) as result:
        result.evidence = circumstances = evidence.circumstances()
        signer = keys.signer()  # first, because an invalid key should fail before the build
        fetched = builds.fetch_published(ROOT, folder, open_store)
        built = fetched or builds.build(ROOT, folder, report)
        signature.write(built, None if fetched else signer)
        workflows.set_output("built", "false" if fetched else "true")
        result.evidence = circumstances.model_copy(update={"release": built.version, "digest": built.digest})
        result.verdicts = [Verdict("release", Outcome.PASS, "every file matches the manifest", built.digest)]
    output.result(result, f"{folder}: {built.version}, {built.digest}, {len(built.manifest.files)} files")


def list_releases() -> None:
    """Print the releases, newest first, each with the environments in which it is desired."""
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    listed = list(_releases(branch))
    output.result([release.model_dump() for release in listed], lambda: "\n".join(map(_release_line, listed)))


def _releases(branch: DeployBranch) -> Iterator[ListedRelease]:
    stored = set(open_store().versions())
    desired = {name: DesiredState(branch, name).read() for name in ENVIRONMENTS}
    for published in reversed(branch.releases()):
        version = published.version
        yield ListedRelease(
            release=version,
            commit=published.built_from,
            digest=published.digest,
            desired_in=[name for name, content in desired.items() if content and content.release == version],
            stored=version in stored,
        )


def _release_line(listed: ListedRelease) -> str:
    notes = [*listed.desired_in, *([] if listed.stored else ["not in the store"])]
    return f"{listed.release:<10} {listed.commit[:12]}  {listed.digest}  {', '.join(notes)}".rstrip()


def store_evidence(version: str | None) -> None:
    """Store the results in results/ with the releases that they are about, and print their names.

    GitHub's immutable releases accept no evidence; that is a line in the job summary and does not fail a deployment.
    """
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    default = version or branch.version_of(branch.git.read_commit("HEAD").id)
    with evidence.unless_immutable(f"The results remain in {RESULTS}/ and in the artifacts of the run."):
        stored = evidence.store_results(open_store(), default)
        lines = [f"{release}: stored {', '.join(names)}" for release, names in stored.items()]
        nothing = f"{RESULTS}: no result is about a release in the store; nothing was stored"
        output.result({"stored": stored}, "\n".join(lines) or nothing)


def prune(count: int) -> None:
    """Remove old releases from the store, except those that an environment runs, ran last or would roll back to."""
    branch, store = DeployBranch(Git(ROOT)), open_store()
    branch.fetch()
    used = {version for name in ENVIRONMENTS for version in evidence.in_use(DesiredState(branch, name))}
    removed = evidence.prunable(store.versions(), used, count)
    for version in removed:
        store.remove(version)
        output.step(f"{version}: removed")
    left = store.versions()
    output.result({"removed": removed, "left": left}, f"{len(removed)} removed, {len(left)} left")
