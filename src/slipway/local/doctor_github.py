"""The checks of `slipway doctor` on the repository's settings on GitHub, through `gh`.

They only read. Without an `origin` on GitHub or a login, a single line lists the checks that were skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.git import Git, GitError
from slipway.github import api
from slipway.local import doctor_aws
from slipway.local.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKED = (
    "default branch, Issues, Actions, permissions of workflows, disabled workflows, environments, rules, "
    "immutable releases, dependency graph, Pages, roles in AWS"
)
BRANCH = "main"  # the branch in the triggers of the workflows
DISABLED = {"disabled_inactivity", "disabled_fork", "disabled_manually"}
"""States of a workflow that ignores its triggers."""
ENVIRONMENTS = ("staging", "production")
RULES = {"main": "main.json", "deploy": "deploy.json", "releases": "tags.json"}
"""File in .github/rulesets of each ruleset, by name."""

ACTIONS_SETTINGS = "Settings → Actions → General"


def examine(root: Path) -> Iterator[Finding]:
    """Yield the findings about the GitHub repository that is the `origin` of the checkout in `root`."""
    try:
        host, repository = origin(root)
    except GitError as error:
        yield Finding("GitHub", f"origin cannot be read ({error}); not checked: {CHECKED}")
        return
    if host != os.environ.get("GH_HOST", "github.com"):
        yield Finding("GitHub", f"origin is not on GitHub; not checked: {CHECKED}")
        return
    if not _logged_in(host):
        yield Finding("GitHub", f"no login; not checked: {CHECKED}", "`gh auth login`", Severity.ADVISED)
        return
    for subject, check in CHECKS.items():
        try:
            yield from check(f"repos/{repository}")
        except UserError as error:
            fix = "run it as an administrator of the repository"
            yield Finding(subject, f"not readable: {error}", fix, Severity.ADVISED)


def origin(root: Path) -> tuple[str, str]:
    """Return host and owner/name of the remote `origin`, or empty strings if it is missing or a folder.

    Raises GitError if `root` is not a repository.
    """
    url = Git(root).remote_url() or ""
    match = re.fullmatch(r"(?:\w+://(?:[^@/]+@)?|[^@/]+@)([\w.:-]+?)[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", url)
    return (match[1], match[2]) if match else ("", "")


def _logged_in(host: str) -> bool:
    command = ["gh", "auth", "token", "--hostname", host]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _repository(repository: str) -> Iterator[Finding]:
    settings = api.call("GET", repository)
    default = settings["default_branch"]
    if default == BRANCH:
        yield Finding("default branch", default)
    else:
        observed = f"{default}, but the workflows run on {BRANCH}"
        yield Finding("default branch", observed, rename_commands(default), Severity.NEEDED)
    if settings["has_issues"]:
        yield Finding("Issues", "on; `slipway health` can open one")
    else:
        fix = "Settings → General → Features → Issues"
        yield Finding("Issues", "off; `slipway health` only writes the job summary", fix, Severity.ADVISED)


def rename_commands(branch: str) -> str:
    """Return the commands that rename `branch` to BRANCH and make it the default."""
    push = f"`git branch --move {branch} {BRANCH}` and `git push --set-upstream origin {BRANCH}`"
    return f"{push}, then `gh repo edit --default-branch {BRANCH}`"


def _disabled_workflows(repository: str) -> Iterator[Finding]:
    workflows = api.call("GET", f"{repository}/actions/workflows?per_page=100")["workflows"]
    disabled = [workflow for workflow in workflows if workflow["state"] in DISABLED]
    for workflow in disabled:
        file = Path(workflow["path"]).name
        yield Finding("workflows", f"{file} is {workflow['state']}", f"`gh workflow enable {file}`", Severity.ADVISED)
    if not disabled:
        yield Finding("workflows", "all enabled")


def _immutable_releases(repository: str) -> Iterator[Finding]:
    setting = api.find(f"{repository}/immutable-releases")
    if not (setting and setting["enabled"]):
        yield Finding("immutable releases", "off, or visible to administrators only")
        return
    fix = "Settings → General → Releases → Enable release immutability: off"
    if setting["enforced_by_owner"]:
        fix = "the organization enforces them; set another store in the variable SLIPWAY_STORE"
    yield Finding("immutable releases", "on; no evidence can be added to a release", fix, Severity.ADVISED)


def _actions(repository: str) -> Iterator[Finding]:
    permissions = api.call("GET", f"{repository}/actions/permissions")
    if not permissions["enabled"]:
        fix = f"{ACTIONS_SETTINGS}; in a fork, the button on the tab Actions"
        yield Finding("GitHub Actions", "disabled", fix, Severity.NEEDED)
    elif permissions.get("allowed_actions") == "local_only":
        fix = f"{ACTIONS_SETTINGS}: allow the pinned actions of `actions`, `github` and `ossf`"
        yield Finding("GitHub Actions", "actions of other repositories are not allowed", fix, Severity.NEEDED)
    else:
        yield Finding("GitHub Actions", f"enabled, {permissions.get('allowed_actions', 'all')} actions allowed")


def _workflow_permissions(repository: str) -> Iterator[Finding]:
    permissions = api.call("GET", f"{repository}/actions/permissions/workflow")
    default = permissions["default_workflow_permissions"]
    if default == "read":
        yield Finding("workflow permissions", "read by default; each job requests more if it needs it")
    else:
        fix = f"{ACTIONS_SETTINGS} → Workflow permissions: read"
        yield Finding("workflow permissions", f"{default} by default, more than a job needs", fix, Severity.ADVISED)
    if permissions["can_approve_pull_request_reviews"]:
        yield Finding("pull requests by CI", "allowed; retraining can open one")
    else:
        fix = f"{ACTIONS_SETTINGS} → Allow GitHub Actions to create and approve pull requests"
        yield Finding("pull requests by CI", "not allowed; retraining cannot open one", fix, Severity.ADVISED)


def _environments(repository: str) -> Iterator[Finding]:
    listed = api.call("GET", f"{repository}/environments").get("environments", [])
    environments = {environment["name"]: environment for environment in listed}
    for name in ENVIRONMENTS:
        subject, policy = f"environment {name}", environments.get(name, {}).get("deployment_branch_policy")
        if policy:
            yield Finding(subject, "restricted to selected branches")
        else:
            observed = (
                "any branch may deploy to it" if name in environments else "missing; GitHub creates it unprotected"
            )
            fix = _apply_command(f"environments/{name}", "environment.json")
            yield Finding(subject, observed, fix, Severity.ADVISED)


def _rules(repository: str) -> Iterator[Finding]:
    enforcement = {ruleset["name"]: ruleset["enforcement"] for ruleset in api.call("GET", f"{repository}/rulesets")}
    for name, file in RULES.items():
        observed = enforcement.get(name, "missing")
        if observed == "active":
            yield Finding(f"rules {name}", observed)
        else:
            yield Finding(f"rules {name}", observed, _apply_command("rulesets", file), Severity.ADVISED)


def _apply_command(path: str, file: str) -> str:
    method = "POST" if path == "rulesets" else "PUT"
    command = f"gh api --method {method} 'repos/{{owner}}/{{repo}}/{path}' --input .github/rulesets/{file}"
    return f"`{command}`; see docs/security.md"


def _dependency_graph(repository: str) -> Iterator[Finding]:
    if api.find(f"{repository}/dependency-graph/sbom"):
        yield Finding("dependency graph", "on")
    else:
        fix = "Settings → Advanced Security → Dependency graph, then set the variable DEPENDENCY_REVIEW to true"
        yield Finding("dependency graph", "off; dependency-review.yaml has no data", fix, Severity.ADVISED)


def _pages(repository: str) -> Iterator[Finding]:
    requested = (api.find(f"{repository}/actions/variables/PAGES") or {}).get("value") == "true"
    enabled = api.find(f"{repository}/pages")
    if requested and not enabled:
        fix = "Settings → Pages → Source: GitHub Actions"
        yield Finding("Pages", "off, but the variable PAGES is true", fix, Severity.NEEDED)
    else:
        unpublished = "not published; set the variable PAGES to true, and docs.yaml publishes docs/"
        yield Finding("Pages", "published by docs.yaml" if requested else unpublished)


CHECKS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "repository": _repository,
    "GitHub Actions": _actions,
    "workflow permissions": _workflow_permissions,
    "workflows": _disabled_workflows,
    "environments": _environments,
    "rules": _rules,
    "immutable releases": _immutable_releases,
    "dependency graph": _dependency_graph,
    "Pages": _pages,
    "AWS role": doctor_aws.examine,
}
"""Check by the subject of its finding when GitHub denies access."""
