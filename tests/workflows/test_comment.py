"""The comment on a pull request: one, updated in place, from nothing but evidence of a known shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slipway.changes import Changes
from slipway.gates import Outcome, Verdict
from slipway.local import act
from slipway.local.home import Home
from slipway.report.content import JOBS, Card, Evidence
from slipway.results import JobResult
from tests import github_api

ROOT = Path(__file__).parents[2]
SHA = "c" * 40
CARD = Card(purpose="Tells.", target="late", columns=[])
CML = """#!{python}
import pathlib, sys
pathlib.Path({log!r}).write_text("\\n".join(sys.argv[1:]) + "\\n" + pathlib.Path(sys.argv[-1]).read_text())
print("https://github.example/comment")
sys.exit({code})
"""


@pytest.fixture
def github(tmp_path):
    with github_api.serve(tmp_path) as github:
        github.open_pull_request(7, SHA)
        yield github


def _evidence(folder: Path, text: str = "fine", outcome: str = "pass") -> Path:
    verdict = Verdict("gate", Outcome(outcome), "below 1", text)
    results = {job: JobResult(job=job, started=datetime(2026, 1, 1, tzinfo=UTC), verdicts=[verdict]) for job in JOBS}
    changes = Changes(base="b" * 40, head="a" * 40)
    evidence = Evidence(results=results, changes=changes, task="binary", primary="roc_auc", card=CARD, statuses={})
    path = folder / "evidence.json"
    path.write_text(evidence.model_dump_json())
    return path


def _comment(github, evidence: Path, *, path: str | None = None, **environment: str) -> subprocess.CompletedProcess:
    known = {
        "GITHUB_REPOSITORY": github_api.REPOSITORY,
        "HEAD_SHA": SHA,
        "HEAD_OWNER": "team",
        "HEAD_BRANCH": "change",
        "RUN_URL": "https://github.example/run/1",
        "GH_HOST": github.address,
        "GH_ENTERPRISE_TOKEN": "token",
        "SSL_CERT_FILE": github.certificate,
        "PATH": path or os.environ["PATH"],
    }
    left = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    command = [sys.executable, "-m", "slipway.cli", "comment", str(evidence)]
    return subprocess.run(
        command, cwd=ROOT, env=left | known | environment, capture_output=True, text=True, check=False
    )


def _bodies(github, number: int = 7) -> list[str]:
    return [comment["body"] for comment in github.comments[number]]


def test_five_runs_leave_one_comment_that_says_what_the_last_found(github, tmp_path):
    for turn in range(4):
        _comment(github, _evidence(tmp_path, f"turn {turn}"))
    done = _comment(github, _evidence(tmp_path, "too low", "fail"))
    assert (0, 1) == (done.returncode, len(_bodies(github)))
    assert _bodies(github)[0].startswith("# ❌ Blocked: gate")


def test_the_number_comes_from_github_and_not_from_the_evidence(github, tmp_path):
    github.open_pull_request(8, "d" * 40, "stranger:change")
    _comment(github, _evidence(tmp_path))
    assert (1, 0) == (len(_bodies(github, 7)), len(_bodies(github, 8)))


def test_a_commit_that_is_no_longer_the_newest_is_not_commented(github, tmp_path):
    done = _comment(github, _evidence(tmp_path), HEAD_SHA="e" * 40)
    assert (0, []) == (done.returncode, _bodies(github))
    assert "nothing to do" in done.stdout


def test_a_run_that_left_nothing_is_reported_as_such(github, tmp_path):
    _comment(github, tmp_path / "missing.json")
    assert _bodies(github)[0].startswith("# ❌ Blocked: data, train, compare and 2 more")


def test_the_commands_name_the_commit_that_github_says_was_checked(github, tmp_path):
    _comment(github, _evidence(tmp_path))
    assert f"git checkout {SHA}" in _bodies(github)[0]


def test_a_comment_by_a_person_with_our_watermark_is_left_alone(github, tmp_path):
    _comment(github, _evidence(tmp_path))
    github.comments[7][0]["user"] = {"login": "mallory", "type": "User"}
    before = _bodies(github)[0]
    _comment(github, _evidence(tmp_path, "newer"))
    assert (before, 2) == (_bodies(github)[0], len(_bodies(github)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "refused"),
        ("[]", "refused"),
        ('{"results": {}}', "refused"),
        ("x" * 2_000_001, "over 2,000,000 bytes"),
    ],
)
def test_evidence_of_another_shape_is_refused_in_one_line(github, tmp_path, content, reason):
    path = tmp_path / "evidence.json"
    path.write_text(content)
    done = _comment(github, path)
    assert (2, [], 1) == (done.returncode, _bodies(github), len(done.stderr.splitlines()))
    assert reason in done.stderr


def test_a_head_that_is_no_commit_is_refused(github, tmp_path):
    path = _evidence(tmp_path)
    evidence = json.loads(path.read_text())
    evidence["changes"]["head"] = "main; touch canary"
    path.write_text(json.dumps(evidence))
    assert 2 == _comment(github, path).returncode


def test_evidence_that_no_report_can_be_written_from_is_refused(github, tmp_path):
    path = _evidence(tmp_path)
    evidence = json.loads(path.read_text())
    evidence["results"]["compare"]["evidence"] = {"baselines": {"linear": {"all": [{"metric": 3}]}}, "rows": "many"}
    path.write_text(json.dumps(evidence))
    done = _comment(github, path)
    assert (2, []) == (done.returncode, _bodies(github))
    assert "refused" in done.stderr


def test_a_link_in_place_of_the_evidence_is_refused(github, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to("/etc/passwd")
    assert (2, []) == (_comment(github, link).returncode, _bodies(github))


def test_text_of_a_stranger_cannot_mention_or_link(github, tmp_path):
    _comment(github, _evidence(tmp_path, "@everyone [here](https://example.com) <img src=x>", "fail"))
    (body,) = _bodies(github)
    assert [] == [harm for harm in ("@everyone", "](https://example.com)", "<img src=x>") if harm in body]


def _cml(folder: Path, code: int) -> str:
    """A PATH on which there is a `cml` that notes what it was asked and ends with `code`."""
    tool = folder / "bin" / "cml"
    tool.parent.mkdir()
    tool.write_text(CML.format(python=sys.executable, log=str(folder / "asked"), code=code))
    tool.chmod(0o755)
    return f"{tool.parent}{os.pathsep}{os.environ['PATH']}"


def test_cml_comments_where_it_is_there(github, tmp_path):
    done = _comment(github, _evidence(tmp_path), path=_cml(tmp_path, 0))
    asked = (tmp_path / "asked").read_text()
    assert "comment: https://github.example/comment" in done.stdout
    assert {"--publish=false", "--watermark-title=slipway", "--target=pr/7"} <= set(asked.splitlines())
    assert [] == _bodies(github)


def test_gh_comments_where_cml_fails(github, tmp_path):
    _comment(github, _evidence(tmp_path), path=_cml(tmp_path, 1))
    assert 1 == len(_bodies(github))


def test_the_job_summary_has_the_report_in_any_case(github, tmp_path):
    summary = tmp_path / "summary.md"
    _comment(github, _evidence(tmp_path), HEAD_SHA="e" * 40, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("# ✅ Ready to merge")


def _workflow(github, folder: Path) -> act.Run:
    """Run pull-request-comment.yaml, as it is shipped, on what a run has left in folder/run/artifacts."""
    home = Home(folder)
    home.git_config.write_text("[user]\n    name = A\n    email = a@example.invalid\n")
    tree = folder / "tree"
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(tree)], check=True)
    head = {"head_sha": SHA, "head_branch": "change", "head_repository": {"owner": {"login": "team"}}}
    url = "https://github.example/run/1"
    event = act.Event("workflow_run", {"workflow_run": {"id": 1, "event": "pull_request", "html_url": url, **head}})
    api = {"GH_HOST": github.address, "GH_ENTERPRISE_TOKEN": "token", "SSL_CERT_FILE": github.certificate}
    return act.run(
        "pull-request-comment.yaml", tree, event, folder / "run", env=home.environment() | api, variables={}, say=print
    )


@pytest.mark.parametrize(("left", "expected"), [(True, "# ✅ Ready to merge"), (False, "# ❌ Blocked: data, train")])
def test_the_workflow_comments_on_what_a_run_left_and_on_a_run_that_left_nothing(github, tmp_path, left, expected):
    if left:
        artifact = tmp_path / "run" / "artifacts" / "report" / "report"
        artifact.mkdir(parents=True)
        _evidence(artifact)
    finished = _workflow(github, tmp_path)
    assert (True, 1) == (finished.succeeded, len(_bodies(github)))
    assert _bodies(github)[0].startswith(expected)
