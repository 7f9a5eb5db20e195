"""GitHub Actions: the variables of a workflow's run, its job summary, its step outputs, and the start of a workflow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import SettingError
from slipway.github import api

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKENS = ("GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_TOKEN")


def add_to_summary(text: str) -> None:
    """Append Markdown to the job summary; do nothing outside a workflow."""
    _append("GITHUB_STEP_SUMMARY", text)


def set_output(name: str, value: str) -> None:
    """Set an output of the workflow step; do nothing outside a workflow."""
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def _append(variable: str, text: str) -> None:
    if file := os.environ.get(variable):
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)


def server_url() -> str:
    """Return the URL of the GitHub server, by default https://github.com."""
    return os.environ.get("GITHUB_SERVER_URL", "https://github.com")


def repository() -> str | None:
    """Return OWNER/NAME of the repository; None outside a workflow."""
    return os.environ.get("GITHUB_REPOSITORY") or None


def commit() -> str | None:
    """Return the commit that the run is about; None outside a workflow."""
    return os.environ.get("GITHUB_SHA") or None


def actor() -> str | None:
    """Return the user who started the run; None outside a workflow."""
    return os.environ.get("GITHUB_ACTOR") or None


def run_id() -> str | None:
    """Return the number of the run; None outside a workflow."""
    return os.environ.get("GITHUB_RUN_ID") or None


def run_url() -> str | None:
    """Return the URL of the run; None outside a workflow."""
    server, name, run = os.environ.get("GITHUB_SERVER_URL"), repository(), run_id()
    return f"{server}/{name}/actions/runs/{run}" if server and name and run else None


def workflow_url() -> str | None:
    """Return the URI of the workflow file of the run, at its ref; None outside a workflow."""
    server, workflow = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_WORKFLOW_REF")
    return f"{server}/{workflow}" if server and workflow else None


def is_fork_run() -> bool:
    """Return whether this is the run of a pull request from a fork, by the event in $GITHUB_EVENT_PATH."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if os.environ.get("GITHUB_EVENT_NAME") != "pull_request" or not path:
        return False
    event = json.loads(Path(path).read_text(encoding="utf-8"))
    head = event["pull_request"]["head"].get("repo") or {}  # null after the fork is deleted
    return bool(head.get("full_name") != event["repository"]["full_name"])


def token() -> str | None:
    """Return the token with which `gh` can write; None where none is set."""
    return next((value for name in TOKENS if (value := os.environ.get(name))), None)


def has_token() -> bool:
    """Return whether a token is set, with which `gh` can write."""
    return token() is not None


def required(name: str) -> str:
    """Return a variable that GitHub sets. Raises UserError where it is missing."""
    if value := os.environ.get(name):
        return value
    raise SettingError(f"{name}: not set; GitHub sets it in a workflow")


def writable_repository() -> str | None:
    """Return OWNER/NAME of the repository; None where the repository or a token is not set."""
    return repository() if has_token() else None


def start(name: str, workflow: str, branch: str, inputs: Mapping[str, str]) -> None:
    """Dispatch a workflow of the repository `name`, the only event that the built-in token may trigger.

    Raises ApiError.
    """
    api.call("POST", f"repos/{name}/actions/workflows/{workflow}/dispatches", {"ref": branch, "inputs": dict(inputs)})
