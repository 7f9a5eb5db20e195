"""The pull request of a retraining: opened by CML or else by gh, updated, checked, and merged if allowed.

CML writes its token into the configuration of the repository that it runs in, so it runs in a temporary one. CML's
`--merge` is not used: where the branch rules do not make it wait, it merges immediately and ignores the gates.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway import output
from slipway.errors import ToolError, UserError
from slipway.git import Git
from slipway.github import api, cml, workflows
from slipway.github.checked_run import CHECKS
from slipway.retraining.proposals import BRANCH

TARGET = "main"
NAME, EMAIL = "slipway", "slipway@users.noreply.github.com"
AUTO_MERGE = """
mutation($pull: ID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $pull, mergeMethod: MERGE}) { clientMutationId }
}
"""


@dataclass(frozen=True)
class Description:
    """Title and body of a pull request: one line, and Markdown."""

    title: str
    body: str


def create(git: Git, repository: str, text: Description) -> None:
    """Open the pull request. Raises UserError with the missing setting if GitHub refuses."""
    if _with_cml(git, repository, text):
        return
    body = {"head": BRANCH, "base": TARGET, "title": text.title, "body": text.body}
    try:
        api.call("POST", f"repos/{repository}/pulls", body)
    except UserError as error:
        raise ToolError(f"{BRANCH}: pushed, but no pull request was opened ({error}); {by_hand(repository)}") from None


def by_hand(repository: str) -> str:
    """Return the setting that lets Slipway open the pull request, and the URL to open it manually."""
    host = workflows.server_url()
    setting = "Settings → Actions → General → Allow GitHub Actions to create and approve pull requests"
    return f"enable {setting}, or open it manually: {host}/{repository}/compare/{TARGET}...{BRANCH}?expand=1"


def _with_cml(git: Git, repository: str, text: Description) -> bool:
    """Open the pull request with CML; return False if CML is not installed or fails."""
    if not cml.is_installed():
        return False
    command = ["pr", "create", "--driver=github", f"--repo={workflows.server_url()}/{repository}"]
    command += [f"--branch={BRANCH}", f"--target-branch={TARGET}", f"--user-name={NAME}", f"--user-email={EMAIL}"]
    command += [f"--title={text.title}", f"--body={text.body}"]
    with TemporaryDirectory() as folder:
        Git(Path(folder)).run("init", "--quiet")
        Git(Path(folder)).run("remote", "add", "origin", git.run("remote", "get-url", "origin"))
        try:
            cml.call(command, git.run("rev-parse", "HEAD"), Path(folder))
        except cml.CmlError as error:
            output.warn(f"propose: {error}; trying gh")
            return False
    return True


def update(repository: str, number: int, text: Description) -> None:
    """Replace title and body by those of the newest proposal."""
    api.call("PATCH", f"repos/{repository}/pulls/{number}", {"title": text.title, "body": text.body})


def start_checks(repository: str) -> None:
    """Start the checks of the branch. A push by the built-in token starts none; one by an app does."""
    if os.environ.get("RETRAIN_APP"):
        return
    for checks in CHECKS:
        workflows.start(repository, checks.file, BRANCH, {})


def merge_when_ready(repository: str, number: int) -> str:
    """Enable auto-merge if the settings request it; return what was done."""
    if os.environ.get("RETRAIN_MERGE") != "auto":
        return "waiting for a manual merge; RETRAIN_MERGE is not `auto`"
    if not os.environ.get("RETRAIN_APP"):
        return (
            "waiting for a manual merge: RETRAIN_MERGE requires RETRAIN_APP, because a merge by the built-in token"
            " starts no deployment"
        )
    pull = api.call("GET", f"repos/{repository}/pulls/{number}")["node_id"]
    try:
        api.call("POST", "graphql", {"query": AUTO_MERGE, "variables": {"pull": pull}})
    except UserError as error:
        return f"waiting for a manual merge: GitHub cannot wait for the checks ({error}); see docs/retraining.md"
    return "GitHub merges it after every gate has passed"
