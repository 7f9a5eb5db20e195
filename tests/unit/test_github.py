"""A refusal of GitHub's API is one line with its reason and remedy, and nullable fields may be null."""

from __future__ import annotations

import pytest

from slipway.errors import UserError
from slipway.github import api

REFUSALS = [
    (
        "api POST repos/a/b/issues",
        "gh: Issues has been disabled in this repository. (HTTP 410)",
        410,
        "Features → Issues",
    ),
    ("api PATCH repos/a/b/issues/7", "gh: Issues are disabled for this repo (HTTP 410)", 410, "Features → Issues"),
    (
        "api POST repos/a/b/commits/c0ffee/comments",
        "gh: Resource not accessible by integration (HTTP 403)",
        403,
        "allow comments on individual commits",
    ),
    (
        "api PATCH repos/a/b/comments/7",
        "gh: Resource not accessible by integration (HTTP 403)",
        403,
        "allow comments on individual commits",
    ),
    (
        "api PATCH repos/a/b/issues/comments/7",
        "gh: Resource not accessible by integration (HTTP 403)",
        403,
        "give the job the permission",
    ),
    (
        "api POST repos/a/b/issues/7/comments",
        "gh: Unable to create comment because issue is locked. (HTTP 403)",
        403,
        "unlock the conversation",
    ),
    (
        "release upload model@v0.1.0",
        "HTTP 422: Cannot upload assets to an immutable release. (https://uploads.github.com/repos/a/b/releases/1/assets)",
        422,
        "turn off Settings → General → Releases → Enable release immutability",
    ),
    (
        "api POST repos/a/b/actions/workflows/retrain.yaml/dispatches",
        "gh: Cannot trigger a 'workflow_dispatch' on a disabled workflow (HTTP 422)",
        422,
        "Enable workflow",
    ),
    (
        "api POST repos/a/b/pulls",
        "gh: GitHub Actions is not permitted to create or approve pull requests. (HTTP 403)",
        403,
        "Settings → Actions → General",
    ),
    ("api GET repos/a/b/pulls", "gh: API rate limit exceeded for 10.0.0.1. (HTTP 403)", 403, "run it again"),
    ("api GET repos/a/b/pulls", "gh: You have exceeded a secondary rate limit. (HTTP 429)", 429, "run it again"),
    ("api GET repos/a/b/pulls", "gh: Bad credentials (HTTP 401)", 401, "gh auth login"),
    ("api GET repos/a/b/pulls", "gh: Not Found (HTTP 404)", 404, "check the name"),
    ("api GET repos/a/b/pulls", "gh: HTTP 502: Bad Gateway (https://api.github.com/)", 502, "run it again"),
]


@pytest.mark.parametrize(("request_", "output", "status", "remedy"), REFUSALS)
def test_a_refusal_is_one_line_with_its_reason_and_remedy(request_, output, status, remedy):
    error = api.refusal(request_, f"\n{output}\n")
    assert (status, 1) == (error.status, len(str(error).splitlines()))
    assert str(error).startswith(f"gh {request_}: ")
    assert output in str(error)
    assert remedy in str(error).split("; ", 1)[1]


def test_every_remedy_applies_to_a_refusal():
    given = {
        next(remedy for remedy in api.REMEDIES if remedy.fits(status, request, output))
        for request, output, status, _ in REFUSALS
    }
    assert set(api.REMEDIES) == given


@pytest.mark.parametrize("output", ["", " \n\n", "error connecting to api.github.com\ncheck your internet connection"])
def test_without_a_response_there_is_no_status_and_no_remedy(output):
    error = api.refusal("api GET repos/a/b", output)
    assert 0 == error.status
    assert ";" not in str(error)


def test_a_hint_below_the_reason_is_kept_and_long_output_is_cut():
    hint = 'gh: This API operation needs the "admin:org" scope.'
    assert str(api.refusal("api GET x", f"gh: Must have admin rights (HTTP 403)\n{hint}")).endswith(hint)
    assert len(str(api.refusal("api GET x", "gh: " + "x" * 10_000 + " (HTTP 418)"))) <= 400


def test_a_refusal_is_a_user_error():
    assert isinstance(api.refusal("api GET x", ""), UserError)


@pytest.mark.parametrize(
    ("author", "expected"),
    [({"type": "Bot"}, True), ({"type": "User"}, False), ({}, False), (None, False)],
)
def test_a_deleted_account_is_not_a_bot(author, expected):
    assert expected is api.is_bot({"user": author})
    assert not api.is_bot({})
