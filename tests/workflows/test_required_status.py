"""The commit status `required` on a retraining: for the right commit, from the run's conclusion, or none."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from unittest import mock

import pytest

from slipway.errors import ToolError
from slipway.github import checked_run
from slipway.retraining import required_status
from tests import github_api

SHA, OLDER = "c" * 40, "d" * 40
FORK = {"full_name": "mallory/flights"}


@pytest.fixture
def github(tmp_path):
    with github_api.serve(tmp_path) as github:
        github.open_pull_request(7, SHA, "team:retrain")
        yield github


PATH = ".github/workflows/pull-request.yaml"


def _post(github: github_api.GitHub, run: int, sha: str = SHA, path: str = PATH) -> str:
    """Run the command for a run of the stand-in, and return what it prints."""
    variables = {
        "GITHUB_REPOSITORY": github_api.REPOSITORY,
        "HEAD_SHA": sha,
        "HEAD_OWNER": "team",
        "HEAD_BRANCH": "retrain",
        "CONCLUSION": "success",
        "RUN_EVENT": "workflow_dispatch",
        "RUN_ID": str(run),
        "RUN_PATH": path,
        "RUN_URL": "https://github.example/run/1",
        "GH_HOST": github.address,
        "GH_ENTERPRISE_TOKEN": "token",
        "SSL_CERT_FILE": github.certificate,
    }
    output = io.StringIO()
    with mock.patch.dict(os.environ, variables), redirect_stdout(output):
        required_status.post()
    return output.getvalue()


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        ("success", "success"),
        ("failure", "failure"),
        ("timed_out", "failure"),
        ("neutral", "failure"),
        ("cancelled", "error"),
        ("startup_failure", "error"),
        ("action_required", None),
        ("skipped", None),
        ("stale", None),
        (None, None),
        ("brand_new", None),
    ],
)
def test_state_follows_the_conclusion_that_github_reports(github, conclusion, state):
    output = _post(github, github.add_run(SHA, conclusion))
    assert ([state] if state else []) == [status["state"] for status in github.statuses]
    assert ("none posted" in output) is (state is None)


def test_only_success_is_a_success():
    assert ["success"] == [name for name, meaning in checked_run.CONCLUSIONS.items() if meaning.state == "success"]


@pytest.mark.parametrize("checks", checked_run.CHECKS, ids=lambda checks: checks.file)
def test_status_is_the_one_that_the_rule_for_main_requires(github, checks):
    path = checked_run.WORKFLOWS + checks.file
    run = github.add_run(SHA, "success", path=path)
    _post(github, run, path=path)
    (status,) = github.statuses
    description = "By dispatch: every job succeeded and every gate passed"
    url = f"https://github.example/run/{run}"
    assert {
        "sha": SHA,
        "state": "success",
        "context": checks.context,
        "description": description,
        "target_url": url,
    } == status


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"event": "pull_request"}, "event of run 1 is pull_request, not workflow_dispatch"),
        ({"status": "in_progress", "conclusion": None}, "status of run 1 is in_progress, not completed"),
        ({"path": ".github/workflows/other.yaml"}, "path of run 1 is .github/workflows/other.yaml"),
        ({"head_branch": "topic"}, "head_branch of run 1 is topic, not retrain"),
        ({"head_sha": OLDER}, f"head_sha of run 1 is {OLDER}"),
        ({"head_repository": FORK}, "run 1 belongs to another repository"),
        ({"head_repository": None}, "run 1 belongs to another repository"),
    ],
)
def test_run_that_is_no_completed_check_of_a_retraining_posts_nothing(github, facts, reason):
    output = _post(github, github.add_run(SHA, **{"conclusion": "success"} | facts))
    assert [] == github.statuses
    assert reason in output


def test_run_of_another_workflow_posts_nothing(github):
    path = ".github/workflows/other.yaml"
    output = _post(github, github.add_run(SHA, "success", path=path), path=path)
    assert [] == github.statuses
    assert f"{path} does not check pull requests" in output


def test_moved_head_gets_no_status(github):
    output = _post(github, github.add_run(OLDER, "success"), OLDER)
    assert [] == github.statuses
    assert f"{OLDER} is not the head of an open pull request from retrain to main" in output


@pytest.mark.parametrize(
    ("part", "facts"),
    [
        ("head", {"repo": FORK}),
        ("head", {"repo": None}),
        ("head", {"label": "mallory:retrain", "repo": FORK}),
        ("head", {"label": "team:topic"}),
        ("base", {"ref": "release"}),
    ],
)
def test_pull_request_of_another_repository_or_branch_gets_no_status(github, part, facts):
    github.pulls[0][part] |= facts
    _post(github, github.add_run(SHA, "success"))
    assert [] == github.statuses


def test_closed_pull_request_gets_no_status(github):
    github.pulls[0]["state"] = "closed"
    _post(github, github.add_run(SHA, "success"))
    assert [] == github.statuses


def test_newest_run_of_a_commit_decides_whichever_event_comes_last(github):
    older, newer = github.add_run(SHA, "cancelled"), github.add_run(SHA, "success")
    _post(github, newer)
    output = _post(github, older)
    assert ["success"] == [status["state"] for status in github.statuses]
    assert "run 1 is not the newest" in output


def test_repeated_run_replaces_the_state(github):
    run = github.add_run(SHA, "failure")
    _post(github, run)
    github.runs[0]["conclusion"] = "success"
    _post(github, run)
    assert ["failure", "success"] == [status["state"] for status in github.statuses]


def test_refusal_is_one_line(github):
    run = github.add_run(SHA, "success")
    github.rejections[SHA] = "Resource not accessible by integration"
    with pytest.raises(ToolError, match="Resource not accessible by integration") as refused:
        _post(github, run)
    assert 1 == len(str(refused.value).splitlines())
