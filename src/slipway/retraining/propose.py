"""The command `propose`: commit the proposal of `slipway retrain` to the branch `retrain`, and open its pull request.

At most one is open: a further proposal replaces the branch and the description. Git's plumbing creates the commit from
the files in PROPOSAL only, and the checks are those of any pull request.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output, results
from slipway.errors import MissingFileError, RejectedError, RemoteMovedError, ToolError
from slipway.git import Git
from slipway.github import workflows
from slipway.report import markdown
from slipway.report import retraining as content
from slipway.retraining import pull_request
from slipway.retraining.proposals import BRANCH, head, listed
from slipway.retraining.retrain_evidence import RETRAIN
from slipway.retraining.run import CHANGES, PROPOSAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.retraining.proposals import Proposal
    from slipway.retraining.retrain_evidence import RetrainEvidence

TRAILER = "Retraining"
TARGET = "main"


def propose() -> None:
    """Open or update the pull request, and start its checks. Raises UserError if git or GitHub refuses."""
    result = results.find(RETRAIN)
    retraining = result.evidence if result else None
    if retraining is None or not retraining.proposal:
        output.message("propose", "nothing to propose; `slipway retrain` prints the reason")
        return
    repository = workflows.writable_repository()
    if repository is None:
        output.message(
            "propose", f"not proposed, because GITHUB_REPOSITORY or GH_TOKEN is not set; the files are in {PROPOSAL}/"
        )
        return
    git = Git(Path())
    pushed = push(git, retraining)
    title = content.title(retraining)
    body = markdown.render(content.write(retraining, results.read(), workflows.run_url()))
    description = pull_request.Description(title, body)
    opened = _open_proposal(repository)
    if opened is None:
        pull_request.create(git, repository, description)
        opened = _open_proposal(repository)
        if opened is None:
            raise ToolError(f"{BRANCH}: pushed, but its pull request is not open; {pull_request.by_hand(repository)}")
    else:
        pull_request.update(repository, opened.number, description)
    output.result({"url": opened.url}, f"propose: {opened.url}")
    if pushed:
        pull_request.start_checks(repository)
    output.step(f"propose: {pull_request.merge_when_ready(repository, opened.number)}")


def _open_proposal(repository: str) -> Proposal | None:
    return next((proposal for proposal in listed(repository) if proposal.is_open), None)


def push(git: Git, retraining: RetrainEvidence) -> bool:
    """Push the proposal to its branch in place of an older one; return False if it is already there.

    The commit goes on top of the newest `main`, because GitHub rejects older workflow files from the built-in token.
    Raises UserError if another user has pushed to the branch, or if `main` has changed the same files.
    """
    files = proposed()
    git.fetch("origin", f"refs/heads/{TARGET}")
    base = git.read_commit("FETCH_HEAD").id
    tree = _onto(git, base, retraining.base, files)
    old = head(git)
    newest = git.read_commit(old) if old else None
    if newest and TRAILER not in newest.trailers:
        raise RemoteMovedError(
            f"{BRANCH}: another user has pushed to this branch; merge or delete it, then run the retraining again"
        )
    if newest and (newest.tree, newest.parents) == (tree, (base,)):
        return False
    message = f"{content.title(retraining)}\n\n{TRAILER}: {retraining.trigger}\n"
    commit = git.commit(tree, [base], message)
    git.push("origin", f"{commit}:refs/heads/{BRANCH}", lease=f"refs/heads/{BRANCH}:{old or ''}")
    return True


def _onto(git: Git, newest: str, base: str, files: Mapping[str, bytes]) -> str:
    """Store the tree of the commit `newest` of `main` with `files`, which were made on its ancestor `base`."""
    if not git.is_ancestor(base, newest):
        raise RemoteMovedError(f"{base[:12]}: not on {TARGET} of origin; run the retraining on a commit of {TARGET}")
    tree = git.tree(newest, files)
    pairs = (base, newest), (newest, tree)
    since, ours = ({change.path for change in git.changed(*pair)} for pair in pairs)
    if both := sorted(since & ours):
        raise RemoteMovedError(
            f"{both[0]}: changed on {TARGET} since {base[:12]}, where the retraining started; run it again"
        )
    return tree


def proposed() -> dict[str, bytes]:
    """Return the content of each file in PROPOSAL by its path. Raises UserError for a file outside CHANGES."""
    paths = sorted(path for path in PROPOSAL.rglob("*") if path.is_symlink() or path.is_file())
    files = {path.relative_to(PROPOSAL).as_posix(): path for path in paths}
    for name, path in files.items():
        if path.is_symlink() or not name.startswith(CHANGES):
            raise RejectedError(f"{path}: rejected; a retraining may only change {', '.join(CHANGES)}")
    if not files:
        raise MissingFileError(f"{PROPOSAL}: empty; run `slipway retrain` first")
    return {name: path.read_bytes() for name, path in files.items()}
