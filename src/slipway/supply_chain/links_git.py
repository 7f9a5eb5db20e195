"""Links of the chain that git records: the source, the release commit and the desired state of an environment.

Each returns the detail of a link that holds, or raises UserError with the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.dvc.files import LOCK, PIPELINE, RELEASED
from slipway.environment import manifests as rendered
from slipway.environment.deploy_branch import WORKFLOWS
from slipway.environment.spec import FOLDER, path_of
from slipway.errors import RejectedError
from slipway.supply_chain.trace import MAIN, NotChecked, raise_difference

if TYPE_CHECKING:
    from slipway.supply_chain.trace import Trace


def source(trace: Trace) -> str:
    """Check that the source commit is in the history of `main`, which the rules in .github/rulesets protect."""
    commit, head = trace.published.built_from, trace.main()
    if not trace.is_ancestor(commit, head):
        raise RejectedError(f"commit {commit[:12]} is not in the history of {MAIN}, which is at {head[:12]}")
    return f"commit {commit[:12]} is in the history of {MAIN}"


def record(trace: Trace) -> str:
    """Check that the release commit differs from its source only in outputs of a run and in absent workflow files."""
    published = trace.published
    if not trace.is_ancestor(published.commit, trace.branch.head):
        raise RejectedError(f"the tag of {published.version} points to {published.commit[:12]}, which is not on deploy")
    if workflows := [path for path in trace.recorded if _is_workflow(path)]:
        raise RejectedError(
            f"{workflows[0]}: in release commit {published.commit[:12]}, which must contain no workflow files;"
            " merge to `main` to build a release without them"
        )
    source = {path: entry for path, entry in trace.source.items() if not _is_workflow(path)}
    paths = sorted(source.keys() | trace.recorded.keys())
    changed = [path for path in paths if source.get(path) != trace.recorded.get(path)]
    if foreign := [path for path in changed if not _is_written_by_a_run(trace, path)]:
        raise_difference(foreign[0], f"release commit {published.commit[:12]}", f"commit {published.built_from[:12]}")
    return f"{published.commit[:12]} differs in {len(changed)} files that a run writes, and has no workflow files"


def environment(trace: Trace) -> str:
    """Check that the desired digest and commit are those of the published release."""
    published, (name, content) = trace.published, trace.desired
    if (content.digest, content.commit) != (published.digest, published.built_from):
        raise RejectedError(
            f"{path_of(name)}: {content.digest} of commit {content.commit[:12]}, but {published.version} was published"
            f" as {published.digest} of commit {published.built_from[:12]}"
        )
    return f"{path_of(name)} names {published.version} by this digest"


def manifests(trace: Trace) -> str:
    """Check that the manifests on deploy are those that a promotion of the release writes."""
    name, content = trace.desired
    templates = {kind: rendered.template_of(name, kind) for kind in rendered.KINDS}
    kinds = [kind for kind, template in templates.items() if template in trace.recorded]
    if not kinds:
        raise NotChecked(f"the release has none of {', '.join(templates.values())}, so no manifests", required=False)
    paths = {kind: rendered.path_of(name, kind) for kind in kinds}
    for kind, path in paths.items():
        text = trace.read(trace.published.commit, templates[kind]).decode()
        if trace.read(str(trace.branch.head), path) != rendered.fill(text, name, content, kind).encode():
            raise_difference(path, "deploy", "a promotion of the release")
    return f"a promotion of the release writes {' and '.join(paths.values())} as they are"


def _is_workflow(path: str) -> bool:
    return path.startswith(f"{WORKFLOWS}/")


def _is_written_by_a_run(trace: Trace, path: str) -> bool:
    embedded = trace.dvc.embedded_store
    folders = [FOLDER, *([embedded, RELEASED] if embedded else [])]
    files = {LOCK, *trace.dvc.metrics, *([PIPELINE] if embedded else [])}
    return path in files or path.startswith(tuple(f"{folder}/" for folder in folders))
