"""The command `required-status`: the commit status `required` of a retraining that the built-in token proposed.

GitHub does not count the check `required` of a run by dispatch for a pull request, but a commit status of that name.
The event names the run; every fact that decides is read from GitHub's API.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from slipway import checked_run, github
from slipway.checked_run import Run
from slipway.retraining.proposals import BRANCH
from slipway.retraining.pull_request import CHECKS, TARGET

CONTEXT = "required"
EVENT = "workflow_dispatch"
DESCRIPTION_MAX = 140  # characters that GitHub takes


def post() -> None:
    """Post the status on the head of the retraining's pull request, or print why none is posted. Raises UserError."""
    run = Run.of_environment()
    found = github.call("GET", f"repos/{run.repository}/actions/runs/{run.number}")
    reason = unfit(run, found) or superseded(run) or not_proposed(run)
    meaning = checked_run.meaning(found["conclusion"] or "")
    if reason or meaning.state is None:
        print(f"required-status: none posted: {reason or meaning.why}")
        return
    description = f"By dispatch: {meaning.why}"[:DESCRIPTION_MAX]
    body = {"state": meaning.state, "context": CONTEXT, "description": description, "target_url": found["html_url"]}
    github.call("POST", f"repos/{run.repository}/statuses/{run.head_sha}", body)
    print(f"required-status: {meaning.state} on {run.head_sha}: {meaning.why}")


def unfit(run: Run, found: dict[str, Any]) -> str | None:
    """Return why a run does not decide: another event, workflow, repository, branch or commit, or it has not ended."""
    expected = {
        "event": EVENT,
        "status": "completed",
        "path": f".github/workflows/{CHECKS}",
        "head_branch": BRANCH,
        "head_sha": run.head_sha,
    }
    actual = {name: found.get(name) for name in expected} | {"path": (found.get("path") or "").split("@")[0]}
    for name, value in expected.items():
        if actual[name] != value:
            return f"{name} of run {run.number} is {actual[name]}, not {value}"
    return None if _is_of(found["head_repository"], run) else f"run {run.number} belongs to another repository"


def superseded(run: Run) -> str | None:
    """Return why a run does not decide although it fits: a newer one of the same commit does."""
    path = f"repos/{run.repository}/actions/workflows/{CHECKS}/runs"
    found = github.call("GET", f"{path}?event={EVENT}&head_sha={run.head_sha}&per_page=100")
    newest = max(found["workflow_runs"], key=lambda other: other["run_number"], default=None)
    if newest is None or str(newest["id"]) != run.number:
        return f"run {run.number} is not the newest of {run.head_sha}"
    return None


def not_proposed(run: Run) -> str | None:
    """Return why a commit gets no status: it is not the head of the open pull request from the branch `retrain`."""
    head = quote(f"{run.repository.split('/')[0]}:{BRANCH}", safe="")
    pulls = github.call("GET", f"repos/{run.repository}/pulls?state=open&base={TARGET}&head={head}")
    for pull in pulls:
        if pull["head"]["sha"] == run.head_sha and _is_of(pull["head"]["repo"], run):
            return None
    return f"{run.head_sha} is not the head of an open pull request from {BRANCH} to {TARGET}"


def _is_of(repository: dict[str, Any] | None, run: Run) -> bool:
    """Whether a repository is the run's own. GitHub gives null for a fork that is gone, and ignores case in names."""
    return repository is not None and repository["full_name"].lower() == run.repository.lower()
