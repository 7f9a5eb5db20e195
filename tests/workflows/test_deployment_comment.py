"""The deployment report as one comment on its commit, by CML or, where CML is not available, by gh."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import github_api, preloaded

ROOT = Path(__file__).parents[2]
SHA = "c" * 40
CML = """#!{python}
import pathlib, sys
pathlib.Path({log!r}).write_text("\\n".join(sys.argv[1:]) + "\\n" + pathlib.Path(sys.argv[-1]).read_text())
print("https://github.example/comment")
sys.exit({code})
"""


@pytest.fixture
def github(tmp_path):
    with github_api.serve(tmp_path) as github:
        yield github


def _comment(github, folder: Path, text: str = "# Deployed", **environment: str) -> subprocess.CompletedProcess:
    (folder / "results/deployment").mkdir(parents=True, exist_ok=True)
    (folder / "results/deployment/report.md").write_text(text)
    variables = {
        "GITHUB_REPOSITORY": github_api.REPOSITORY,
        "GITHUB_SHA": SHA,
        "GH_HOST": github.address,
        "GH_ENTERPRISE_TOKEN": "ghp_secret",
        "SSL_CERT_FILE": github.certificate,
        "PYTHONPATH": str(ROOT / "src"),
    }
    return preloaded.run("release", "comment", cwd=folder, env=os.environ | variables | environment)


def _bodies(github) -> list[str]:
    return [comment["body"] for comment in github.comments.get(SHA, [])]


def test_a_deployment_that_is_run_again_leaves_one_comment_on_the_commit(github, tmp_path):
    for text in ("# Not deployed", "# Deployed"):
        done = _comment(github, tmp_path, text)
        assert 0 == done.returncode, done.stderr
    (body,) = _bodies(github)
    assert body.startswith("# Deployed\n\n![](https://cml.dev/watermark.png#")
    assert "comment: https://github.example/" in done.stdout


def test_a_comment_by_a_user_with_our_watermark_is_not_changed(github, tmp_path):
    _comment(github, tmp_path)
    github.comments[SHA][0]["user"] = {"login": "mallory", "type": "User"}
    _comment(github, tmp_path, "# Newer")
    assert 2 == len(_bodies(github))


@pytest.mark.parametrize(("code", "by_gh"), [(0, 0), (1, 1)])
def test_cml_comments_where_it_is_installed_and_gh_where_it_fails(github, tmp_path, code, by_gh):
    tool = tmp_path / "bin" / "cml"
    tool.parent.mkdir()
    tool.write_text(CML.format(python=sys.executable, log=str(tmp_path / "asked"), code=code))
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    _comment(github, tmp_path, PATH=path, GITHUB_SERVER_URL="https://github.example")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ["comment", "update", "--driver=github", f"--repo=https://github.example/{github_api.REPOSITORY}"] == asked[
        :4
    ]
    assert {"--publish=false", "--watermark-title=slipway-deployment", f"--target=commit/{SHA}", "# Deployed"} < set(
        asked
    )
    assert by_gh == len(_bodies(github))


def test_a_repository_without_comments_on_commits_has_a_line_in_the_summary_and_no_failure(github, tmp_path):
    github.rejections["comments"] = "Resource not accessible by integration"
    done = _comment(github, tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert 0 == done.returncode, done.stderr
    summary = (tmp_path / "summary.md").read_text()
    for text in (done.stdout, summary):
        assert "Resource not accessible by integration (HTTP 403); allow comments on individual commits" in text
    assert "the report is in results/deployment/report.md" in done.stdout


def test_a_comment_of_a_deleted_account_is_not_changed(github, tmp_path):
    _comment(github, tmp_path)
    github.comments[SHA][0]["user"] = None
    assert 0 == _comment(github, tmp_path, "# Newer").returncode
    assert 2 == len(_bodies(github))


def test_without_a_token_the_report_stays_where_it_is(github, tmp_path):
    done = _comment(github, tmp_path, GH_ENTERPRISE_TOKEN="", GH_TOKEN="")
    assert (0, []) == (done.returncode, github.calls)
    assert "GH_TOKEN is not set; the report is in results/deployment/report.md" in done.stdout


def test_a_refusal_of_github_is_one_line_without_the_token(github, tmp_path):
    done = _comment(github, tmp_path, GITHUB_SHA="not-a-commit")
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "ghp_secret" not in done.stdout + done.stderr
