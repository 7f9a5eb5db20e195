"""The part of `slipway doctor` that asks GitHub, through `gh`, which settings a repository still needs.

It only reads. Without an `origin` on GitHub, or without a login, nothing is asked, and one line says so.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import github
from slipway.errors import UserError
from slipway.git import Git, GitError
from slipway.github import NOT_FOUND, ApiError
from slipway.local.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASKED = (
    "default branch, Issues, Actions, permissions of workflows, disabled workflows, environments, rules, "
    "immutable releases, dependency graph, Pages"
)
BRANCH = "main"  # that the workflows name in their triggers
IDLE = {"disabled_inactivity", "disabled_fork", "disabled_manually"}
"""States of a workflow that no trigger starts."""
ENVIRONMENTS = ("staging", "production")
RULES = {"main": "main.json", "deploy": "deploy.json", "releases": "tags.json"}
"""File in .github/rulesets of each ruleset, by its name."""

ACTIONS_SETTINGS = "Settings → Actions → General"


def examine(root: Path) -> Iterator[Finding]:
    """Look at the repository that `origin` of the checkout in `root` names."""
    try:
        host, repository = origin(root)
    except GitError as error:
        yield Finding("GitHub", f"origin cannot be read ({error}), so these were not asked for: {ASKED}")
        return
    if host != os.environ.get("GH_HOST", "github.com"):
        yield Finding("GitHub", f"origin is not on GitHub, so these were not asked for: {ASKED}")
        return
    if not _logged_in(host):
        yield Finding("GitHub", f"no login, so these were not asked for: {ASKED}", "`gh auth login`", Severity.ADVISED)
        return
    for subject, look in LOOKS.items():
        try:
            yield from look(f"repos/{repository}")
        except UserError as error:
            mend = "ask somebody with the rights of an administrator"
            yield Finding(subject, f"GitHub does not tell: {error}", mend, Severity.ADVISED)


def origin(root: Path) -> tuple[str, str]:
    """Host and owner/name of the remote `origin`; empty when there is none, or when it is a folder."""
    address = Git(root).remote_url() or ""
    found = re.fullmatch(r"(?:\w+://(?:[^@/]+@)?|[^@/]+@)([\w.:-]+?)[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    return (found[1], found[2]) if found else ("", "")


def _logged_in(host: str) -> bool:
    command = ["gh", "auth", "token", "--hostname", host]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _repository(repository: str) -> Iterator[Finding]:
    found = github.call("GET", repository)
    default = found["default_branch"]
    if default == BRANCH:
        yield Finding("default branch", default)
    else:
        yield Finding(
            "default branch", f"{default}, and the workflows run on {BRANCH}", renamed(default), Severity.NEEDED
        )
    if found["has_issues"]:
        yield Finding("Issues", "on, so `health` can open one")
    else:
        remedy = "Settings → General → Features → Issues"
        yield Finding("Issues", "off, so `health` reports in the job summary alone", remedy, Severity.ADVISED)


def renamed(branch: str) -> str:
    """Commands that make `branch` the one that the workflows name."""
    push = f"`git branch --move {branch} {BRANCH}` and `git push --set-upstream origin {BRANCH}`"
    return f"{push}, then `gh repo edit --default-branch {BRANCH}`"


def _disabled_workflows(repository: str) -> Iterator[Finding]:
    workflows = github.call("GET", f"{repository}/actions/workflows?per_page=100")["workflows"]
    idle = [(Path(workflow["path"]).name, workflow["state"]) for workflow in workflows if workflow["state"] in IDLE]
    for file, state in idle:
        yield Finding("workflows", f"{file} is {state}", f"`gh workflow enable {file}`", Severity.ADVISED)
    if not idle:
        yield Finding("workflows", "none is disabled")


def _immutable_releases(repository: str) -> Iterator[Finding]:
    found = _asked(f"{repository}/immutable-releases")
    if not (found and found["enabled"]):
        yield Finding("immutable releases", "off, or hidden: only an administrator may ask")
        return
    remedy = "Settings → General → Releases → Enable release immutability: off"
    if found["enforced_by_owner"]:
        remedy = "the organization enforces them; name another store in the variable SLIPWAY_STORE"
    yield Finding("immutable releases", "on, so no evidence is kept with a release", remedy, Severity.ADVISED)


def _actions(repository: str) -> Iterator[Finding]:
    found = github.call("GET", f"{repository}/actions/permissions")
    if not found["enabled"]:
        mend = f"{ACTIONS_SETTINGS}; in a fork, the button on the tab Actions"
        yield Finding("GitHub Actions", "are switched off", mend, Severity.NEEDED)
    elif found.get("allowed_actions") == "local_only":
        mend = f"{ACTIONS_SETTINGS}: allow those of `actions`, `github`, `ossf` and others at their commits"
        yield Finding("GitHub Actions", "allow none of other repositories", mend, Severity.NEEDED)
    else:
        yield Finding("GitHub Actions", f"enabled, {found.get('allowed_actions', 'all')} actions allowed")


def _workflow_permissions(repository: str) -> Iterator[Finding]:
    found = github.call("GET", f"{repository}/actions/permissions/workflow")
    default = found["default_workflow_permissions"]
    if default == "read":
        yield Finding("workflow permissions", "read by default; each job widens its own")
    else:
        mend = f"{ACTIONS_SETTINGS} → Workflow permissions: read"
        yield Finding(
            "workflow permissions", f"{default} by default, more than any job asks for", mend, Severity.ADVISED
        )
    if found["can_approve_pull_request_reviews"]:
        yield Finding("pull requests by CI", "allowed, so retraining can open one")
    else:
        mend = f"{ACTIONS_SETTINGS} → Allow GitHub Actions to create and approve pull requests"
        yield Finding("pull requests by CI", "not allowed, so retraining cannot open one", mend, Severity.ADVISED)


def _environments(repository: str) -> Iterator[Finding]:
    known = {one["name"]: one for one in github.call("GET", f"{repository}/environments").get("environments", [])}
    for name in ENVIRONMENTS:
        subject, rules = f"environment {name}", known.get(name, {}).get("deployment_branch_policy")
        if rules:
            yield Finding(subject, "deploys from chosen branches only")
        else:
            missing = "any branch may deploy to it" if name in known else "not there; GitHub makes it without any rule"
            yield Finding(subject, missing, _applied(f"environments/{name}", "environment.json"), Severity.ADVISED)


def _rules(repository: str) -> Iterator[Finding]:
    known = {one["name"]: one["enforcement"] for one in github.call("GET", f"{repository}/rulesets")}
    for name, file in RULES.items():
        if known.get(name) == "active":
            yield Finding(f"rules {name}", "active")
        else:
            found = f"{known[name]}" if name in known else "not there"
            yield Finding(f"rules {name}", found, _applied("rulesets", file), Severity.ADVISED)


def _applied(where: str, file: str) -> str:
    method = "POST" if where == "rulesets" else "PUT"
    command = f"gh api --method {method} 'repos/{{owner}}/{{repo}}/{where}' --input .github/rulesets/{file}"
    return f"`{command}`, and see docs/security.md"


def _dependency_graph(repository: str) -> Iterator[Finding]:
    if _asked(f"{repository}/dependency-graph/sbom"):
        yield Finding("dependency graph", "on")
    else:
        mend = "Settings → Advanced Security → Dependency graph, then the variable DEPENDENCY_REVIEW: true"
        yield Finding(
            "dependency graph", "off, so dependency-review.yaml has nothing to look at", mend, Severity.ADVISED
        )


def _pages(repository: str) -> Iterator[Finding]:
    requested = (_asked(f"{repository}/actions/variables/PAGES") or {}).get("value") == "true"
    there = _asked(f"{repository}/pages")
    if requested and not there:
        yield Finding(
            "Pages", "off, though PAGES is true", "Settings → Pages → Source: GitHub Actions", Severity.NEEDED
        )
    else:
        unpublished = "not published; with the variable PAGES: true, docs.yaml publishes docs/"
        yield Finding("Pages", "published by docs.yaml" if requested else unpublished)


def _asked(path: str) -> Any:
    """Return GitHub's answer, or None where there is none (404). Raises ApiError for another refusal."""
    try:
        return github.call("GET", path)
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


LOOKS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "repository": _repository,
    "GitHub Actions": _actions,
    "workflow permissions": _workflow_permissions,
    "workflows": _disabled_workflows,
    "environments": _environments,
    "rules": _rules,
    "immutable releases": _immutable_releases,
    "dependency graph": _dependency_graph,
    "Pages": _pages,
}
"""What is asked for, by what a line is called when GitHub does not tell."""
