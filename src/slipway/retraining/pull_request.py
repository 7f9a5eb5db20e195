"""One pull request on GitHub: opened by CML or else by gh, updated, checked, and merged when it may be.

CML leaves its token in the configuration of the repository that it is called in, and so is called in one of its own.
Its own `--merge` is not used: where the rules do not let it wait, it merges at once, whatever the gates say.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import cml, github
from slipway.errors import UserError
from slipway.git import Git
from slipway.retraining.proposals import BRANCH

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET = "main"
CHECKS = "pull-request.yaml"
NAME, EMAIL = "slipway", "slipway@users.noreply.github.com"
AUTO_MERGE = """
mutation($pull: ID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $pull, mergeMethod: MERGE}) { clientMutationId }
}
"""


@dataclass(frozen=True)
class Text:
    """Of a pull request: one line, and Markdown."""

    title: str
    body: str


def create(git: Git, repository: str, text: Text) -> None:
    """Open it. Raises UserError with the setting that is missing, when GitHub refuses."""
    if _with_cml(git, repository, text):
        return
    body = {"head": BRANCH, "base": TARGET, "title": text.title, "body": text.body}
    try:
        github.call("POST", f"repos/{repository}/pulls", body)
    except UserError as error:
        raise UserError(f"{BRANCH}: pushed, but no pull request was opened ({error}); {by_hand(repository)}") from None


def by_hand(repository: str) -> str:
    """What to set, and how to go on without."""
    host = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    setting = "Settings → Actions → General → Allow GitHub Actions to create and approve pull requests"
    return f"switch on {setting}, or open it by hand: {host}/{repository}/compare/{TARGET}...{BRANCH}?expand=1"


def _with_cml(git: Git, repository: str, text: Text) -> bool:
    """Open it with CML; False when that is not there or fails."""
    if not cml.is_installed():
        return False
    host = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    command = ["pr", "create", "--driver=github", f"--repo={host}/{repository}"]
    command += [f"--branch={BRANCH}", f"--target-branch={TARGET}", f"--user-name={NAME}", f"--user-email={EMAIL}"]
    command += [f"--title={text.title}", f"--body={text.body}"]
    with TemporaryDirectory() as folder:
        Git(Path(folder)).run("init", "--quiet")
        Git(Path(folder)).run("remote", "add", "origin", git.run("remote", "get-url", "origin"))
        try:
            cml.call(command, git.run("rev-parse", "HEAD"), Path(folder))
        except cml.CmlError as error:
            print(f"propose: {error}; trying gh")
            return False
    return True


def update(repository: str, number: int, text: Text) -> None:
    """Say what the newest trigger was, and what came of it."""
    github.call("PATCH", f"repos/{repository}/pulls/{number}", {"title": text.title, "body": text.body})


def start_checks(repository: str) -> None:
    """Run the checks on the branch: what the built-in token pushes starts none, unlike what an app pushes."""
    if os.environ.get("RETRAIN_APP"):
        return
    start(repository, CHECKS, BRANCH, {})


def start(repository: str, workflow: str, branch: str, inputs: Mapping[str, str]) -> None:
    """Start a workflow by hand, as it were; the one event that the built-in token may cause."""
    path = f"repos/{repository}/actions/workflows/{workflow}/dispatches"
    github.call("POST", path, {"ref": branch, "inputs": dict(inputs)})


def merge_when_ready(repository: str, number: int) -> str:
    """Let GitHub merge once all that `main` requires is there, if the setting asks for it. Returns what was done."""
    if os.environ.get("RETRAIN_MERGE") != "auto":
        return "a person merges it; RETRAIN_MERGE is not `auto`"
    if not os.environ.get("RETRAIN_APP"):
        return "a person merges it: RETRAIN_MERGE needs RETRAIN_APP; a merge by the built-in token starts no deployment"
    pull = github.call("GET", f"repos/{repository}/pulls/{number}")["node_id"]
    try:
        github.call("POST", "graphql", {"query": AUTO_MERGE, "variables": {"pull": pull}})
    except UserError as error:
        return f"a person merges it: GitHub cannot wait for its checks ({error}); see docs/retraining.md"
    return "GitHub merges it once every gate has passed"
