"""The verb `propose`: what `slipway retrain` left becomes a commit on the branch `retrain`, and a pull request.

There is one at most: while it is open, the branch is replaced and the description rewritten. The commit is made with
git's plumbing, of nothing but the files in PROPOSAL, and the checks are those of any pull request.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import results
from slipway.delivery import evidence
from slipway.errors import UserError
from slipway.git import Git
from slipway.report import markdown
from slipway.report import retraining as content
from slipway.retraining import pull_request
from slipway.retraining.proposals import BRANCH, can_ask, head, listed
from slipway.retraining.run import CHANGES, JOB, PROPOSAL

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAILER = "Retraining"
TARGET = "main"


def propose() -> None:
    """Open the pull request, or update it, and let its checks run. Raises UserError."""
    result = results.read().get(JOB)
    if result is None or not result.evidence.get("proposal"):
        print("propose: nothing to propose; `slipway retrain` says why")
        return
    if not can_ask():
        print(f"propose: not proposed, because GITHUB_REPOSITORY or GH_TOKEN is not set; {PROPOSAL} has what would be")
        return
    git, retraining, repository = Git(Path()), result.evidence, os.environ["GITHUB_REPOSITORY"]
    pushed = push(git, retraining)
    title = content.title(retraining)
    body = markdown.render(content.write(retraining, results.read(), evidence.run_url()))
    opened = next((one for one in listed(repository) if one.is_open), None)
    if opened is None:
        pull_request.create(git, repository, pull_request.Text(title, body))
        opened = next((one for one in listed(repository) if one.is_open), None)
        if opened is None:
            raise UserError(f"{BRANCH}: pushed, but no pull request of it is open; {pull_request.by_hand(repository)}")
    else:
        pull_request.update(repository, opened.number, pull_request.Text(title, body))
    print(f"propose: {opened.url}")
    if pushed:
        pull_request.start_checks(repository)
    print(f"propose: {pull_request.merge_when_ready(repository, opened.number)}")


def push(git: Git, retraining: Mapping[str, Any]) -> bool:
    """Put the proposal on its branch, in place of an older one; False when it is there already.

    The commit goes on top of the newest `main`: GitHub refuses a push by the built-in token of older workflow files.
    Raises UserError when others have pushed to the branch, or when the proposal does not fit `main`.
    """
    files = proposed()
    git.fetch("origin", f"refs/heads/{TARGET}")
    base = git.read_commit("FETCH_HEAD").id
    tree = _onto(git, base, retraining["base"], files)
    old = head(git)
    newest = git.read_commit(old) if old else None
    if newest and TRAILER not in newest.trailers:
        raise UserError(
            f"{BRANCH}: another user has pushed to this branch; merge or delete it, and a retraining is proposed again"
        )
    if newest and (newest.tree, newest.parents) == (tree, (base,)):
        return False
    message = f"{content.title(retraining)}\n\n{TRAILER}: {retraining['trigger']}\n"
    commit = git.commit(tree, [base], message)
    git.push("origin", f"{commit}:refs/heads/{BRANCH}", lease=f"refs/heads/{BRANCH}:{old or ''}")
    return True


def _onto(git: Git, newest: str, base: str, files: Mapping[str, bytes]) -> str:
    """Store the tree of the commit `newest` of `main` with `files`, which were made on its ancestor `base`."""
    if not git.is_ancestor(base, newest):
        raise UserError(f"{base[:12]}: not on origin's {TARGET}; a retraining starts from there")
    tree = git.tree(newest, files)
    pairs = (base, newest), (newest, tree)
    since, ours = ({change.path for change in git.changed(*pair)} for pair in pairs)
    if both := sorted(since & ours):
        raise UserError(f"{both[0]}: changed on {TARGET} since {base[:12]}, where the retraining started; run it again")
    return tree


def proposed() -> dict[str, bytes]:
    """The files in PROPOSAL by their path. Raises UserError for one that a retraining has no business with."""
    found = sorted(path for path in PROPOSAL.rglob("*") if path.is_symlink() or path.is_file())
    files = {path.relative_to(PROPOSAL).as_posix(): path for path in found}
    for name, path in files.items():
        if path.is_symlink() or not name.startswith(CHANGES):
            raise UserError(f"{path}: a retraining changes {', '.join(CHANGES)} and nothing else; refused")
    if not files:
        raise UserError(f"{PROPOSAL}: empty; run `slipway retrain` first")
    return {name: path.read_bytes() for name, path in files.items()}
