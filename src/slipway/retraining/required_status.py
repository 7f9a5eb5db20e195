"""The command `required-status`: the commit statuses `required` and `required-code` on a retraining's pull request.

A pull request by the built-in token is checked by dispatched runs. GitHub ignores the checks of such a run on the pull
request, but accepts a commit status of the same name. The event names the run; every other fact comes from GitHub's
API.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from slipway import output
from slipway.github import api, checked_run
from slipway.github.checked_run import WORKFLOWS, Checks, Run
from slipway.retraining.proposals import BRANCH
from slipway.retraining.pull_request import TARGET

EVENT = "workflow_dispatch"
DESCRIPTION_CHARACTERS_MAX = 140  # GitHub's limit


def post() -> None:
    """Post the status on the head of the retraining's pull request, or print why not. Raises UserError."""
    run = Run.of_environment()
    if (checks := run.checks) is None:
        output.message("required-status", f"none posted: {run.path} does not check pull requests")
        return
    details = api.call("GET", f"repos/{run.repository}/actions/runs/{run.number}")
    reason = mismatch(run, checks, details) or superseded(run, checks) or not_proposed(run)
    meaning = checked_run.meaning(details["conclusion"] or "")
    if reason or meaning.state is None:
        output.message("required-status", f"none posted: {reason or meaning.reason}")
        return
    description = f"By dispatch: {meaning.reason}"[:DESCRIPTION_CHARACTERS_MAX]
    body = {"state": meaning.state, "context": checks.context, "description": description}
    body["target_url"] = details["html_url"]
    api.call("POST", f"repos/{run.repository}/statuses/{run.head_sha}", body)
    output.message("required-status", f"{checks.context}: {meaning.state} on {run.head_sha}: {meaning.reason}")


def mismatch(run: Run, checks: Checks, details: dict[str, Any]) -> str | None:
    """Return how the run differs from a completed check of a retraining, such as in event or branch; None if not."""
    expected = {
        "event": EVENT,
        "status": "completed",
        "path": WORKFLOWS + checks.file,
        "head_branch": BRANCH,
        "head_sha": run.head_sha,
    }
    actual = {name: details.get(name) for name in expected} | {"path": (details.get("path") or "").split("@")[0]}
    for name, value in expected.items():
        if actual[name] != value:
            return f"{name} of run {run.number} is {actual[name]}, not {value}"
    return None if _is_of(details["head_repository"], run) else f"run {run.number} belongs to another repository"


def superseded(run: Run, checks: Checks) -> str | None:
    """Return why the run is superseded by a newer one of the same commit; None if it is the newest."""
    path = f"repos/{run.repository}/actions/workflows/{checks.file}/runs"
    response = api.call("GET", f"{path}?event={EVENT}&head_sha={run.head_sha}&per_page=100")
    newest = max(response["workflow_runs"], key=lambda other: other["run_number"], default=None)
    if newest is None or str(newest["id"]) != run.number:
        return f"run {run.number} is not the newest of {run.head_sha}"
    return None


def not_proposed(run: Run) -> str | None:
    """Return why the commit is not the head of an open pull request from the branch `retrain`; None if it is."""
    head = quote(f"{run.repository.split('/')[0]}:{BRANCH}", safe="")
    pulls = api.call("GET", f"repos/{run.repository}/pulls?state=open&base={TARGET}&head={head}")
    for pull in pulls:
        if pull["head"]["sha"] == run.head_sha and _is_of(pull["head"]["repo"], run):
            return None
    return f"{run.head_sha} is not the head of an open pull request from {BRANCH} to {TARGET}"


def _is_of(repository: dict[str, Any] | None, run: Run) -> bool:
    """Return whether `repository` is the run's own. It is null for a deleted fork; names ignore case."""
    return repository is not None and repository["full_name"].lower() == run.repository.lower()
