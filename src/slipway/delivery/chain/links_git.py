"""Links of the chain that git holds: where the source is, what a release commit adds, what an environment should run.

Each says what it found, or raises UserError with what differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from slipway.delivery import manifests as kubernetes
from slipway.delivery.chain.trace import MAIN, NotChecked, differ
from slipway.delivery.desired_state import WORKFLOWS
from slipway.delivery.dvc_files import LOCK, PIPELINE, RELEASED
from slipway.delivery.environment_file import FOLDER, path_of
from slipway.errors import UserError

if TYPE_CHECKING:
    from slipway.delivery.chain.trace import Trace


def source(trace: Trace) -> str:
    """What is on `main` was reviewed, by the rules in .github/rulesets."""
    commit, head = trace.published.built_from, trace.main()
    if not trace.is_ancestor(commit, head):
        raise UserError(f"commit {commit[:12]} is not in the history of {MAIN}, which is at {head[:12]}")
    return f"commit {commit[:12]} is in its history"


def record(trace: Trace) -> str:
    """A release commit adds what a training run writes, leaves out the workflow files, and changes nothing else."""
    known = trace.published
    if not trace.is_ancestor(known.commit, trace.branch.head):
        raise UserError(f"the tag of {known.version} leads to {known.commit[:12]}, which is not on deploy")
    if workflows := [path for path in trace.recorded if _is_workflow(path)]:
        raise UserError(
            f"{workflows[0]}: in release commit {known.commit[:12]}, which should hold no workflow files;"
            " merge to `main` to build a release without them"
        )
    source = {path: entry for path, entry in trace.source.items() if not _is_workflow(path)}
    paths = sorted(source.keys() | trace.recorded.keys())
    changed = [path for path in paths if source.get(path) != trace.recorded.get(path)]
    if foreign := [path for path in changed if not _is_written_by_a_run(trace, path)]:
        differ(foreign[0], f"release commit {known.commit[:12]}", f"commit {known.built_from[:12]}")
    return f"{known.commit[:12]} differs in {len(changed)} files that a run writes, and holds no workflow files"


def environment(trace: Trace) -> str:
    """What should run is what was published."""
    known, content = trace.published, trace.content
    if (content.digest, content.commit) != (known.digest, known.built_from):
        raise UserError(
            f"{path_of(trace.environment)} says {content.digest} of {content.commit[:12]},"
            f" {known.version} was published as {known.digest} of {known.built_from[:12]}"
        )
    return f"{path_of(trace.environment)} names {known.version} by this digest"


def manifests(trace: Trace) -> str:
    """What stands beside the environment's file is what a promotion of it writes."""
    path = kubernetes.path_of(trace.environment)
    template = kubernetes.template_of(trace.environment)
    if template not in trace.recorded:
        raise NotChecked(f"the release has no {template}, so there is nothing for Kubernetes", required=False)
    text = trace.shown(trace.published.commit, template).decode()
    if trace.shown(str(trace.branch.head), path) != kubernetes.fill(text, trace.environment, trace.content).encode():
        differ(path, "deploy", "what a promotion writes of the release")
    return f"{path} is what a promotion writes of the release"


def image(trace: Trace) -> NoReturn:
    """Nobody here builds an image, so nobody here can say what is in it."""
    if trace.content.image is None:
        raise NotChecked("no image is named; the agent runs the release itself", required=False)
    raise NotChecked(
        f"{trace.content.image}: that it was made of this release is for its builder to attest",
        f"gh attestation verify oci://{trace.content.image} --repo OWNER/NAME",
        required=False,
    )


def _is_workflow(path: str) -> bool:
    return path.startswith(f"{WORKFLOWS}/")


def _is_written_by_a_run(trace: Trace, path: str) -> bool:
    embedded = trace.dvc.embedded_store
    folders = [FOLDER, *([embedded, RELEASED] if embedded else [])]
    files_ = {LOCK, *trace.dvc.metrics, *([PIPELINE] if embedded else [])}
    return path in files_ or path.startswith(tuple(f"{folder}/" for folder in folders))
