"""The comment on a pull request: updated in place, and written only from evidence that matches the schema.

The author of a pull request controls every byte of the archive that its run uploads.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import stat
import subprocess
import sys
import warnings
import zipfile
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git.changes import Changes
from slipway.github import checked_run
from slipway.local import act
from slipway.local.home import Home
from slipway.pull_request import comment
from slipway.report import history
from slipway.report import markdown as markdown_report
from slipway.report.evidence import JOBS, Card, JobResults, ReportEvidence
from slipway.results import JOBS as TYPED_JOBS
from tests import github_api, markdown
from tests.github_api import archive

ROOT = Path(__file__).parents[2]
SHA = "c" * 40
CARD = Card(purpose="Predict delays.", target="late", columns=[])
CML = """#!{python}
import pathlib, sys
pathlib.Path({log!r}).write_text("\\n".join(sys.argv[1:]) + "\\n" + pathlib.Path(sys.argv[-1]).read_text())
print("https://github.example/comment")
sys.exit({code})
"""


MODEL, CODE = 1, 50
"""Runs of the two workflows that check the pull request."""


@pytest.fixture
def github(tmp_path):
    with github_api.serve(tmp_path) as github:
        github.open_pull_request(7, SHA)
        for checks, number in zip(checked_run.CHECKS, (MODEL, CODE), strict=True):
            _add_run(github, checks, number)
        yield github


def _add_run(github, checks: checked_run.Checks, number: int, conclusion: str | None = "success", **facts: Any) -> None:
    """Add a run of a workflow on the pull request."""
    of_pull = {"id": number, "event": "pull_request", "head_branch": "change", "path": _path(checks)}
    github.add_run(SHA, conclusion, **of_pull | facts)


def _path(checks: checked_run.Checks) -> str:
    return f"{checked_run.WORKFLOWS}{checks.file}"


MODEL_CHECKS, CODE_CHECKS = checked_run.CHECKS


def _evidence(text: str = "fine", outcome: str = "pass") -> dict[str, Any]:
    verdict = Verdict("gate", Outcome(outcome), "below 1", text)
    started = datetime(2026, 1, 1, tzinfo=UTC)
    results = {job: TYPED_JOBS[job].result(job=job, started=started, verdicts=[verdict]) for job in JOBS}
    changes = Changes(base="b" * 40, head="a" * 40)
    evidence = ReportEvidence(
        results=JobResults.model_validate(results, from_attributes=True),
        changes=changes,
        task="binary",
        primary="roc_auc",
        card=CARD,
        statuses={},
    )
    return json.loads(evidence.model_dump_json())


def _leave(github, text: str = "fine", outcome: str = "pass", **changes: Any) -> None:
    """Upload evidence of both runs in which `text` is the observed value of every gate."""
    for run in (MODEL, CODE):
        github.add_artifact(archive(json.dumps(_evidence(text, outcome) | changes)), run=run)


def _comment(github, *, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, since starting a process for each call would dominate the time."""
    variables = {
        "GITHUB_REPOSITORY": github_api.REPOSITORY,
        "HEAD_SHA": SHA,
        "HEAD_OWNER": "team",
        "HEAD_BRANCH": "change",
        "CONCLUSION": "success",
        "RUN_EVENT": "pull_request",
        "RUN_ID": str(MODEL),
        "RUN_PATH": _path(MODEL_CHECKS),
        "RUN_URL": "https://github.example/run/1",
        "GH_HOST": github.address,
        "GH_ENTERPRISE_TOKEN": "token",
        "SSL_CERT_FILE": github.certificate,
        "PATH": path or os.environ["PATH"],
    }
    inherited = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    output, reason = io.StringIO(), ""
    with mock.patch.dict(os.environ, inherited | variables | environment, clear=True), redirect_stdout(output):
        try:
            comment.comment()
        except UserError as error:
            reason = str(error)
    return subprocess.CompletedProcess("comment", 2 if reason else 0, output.getvalue(), reason)


def _rejected(github, reason: str) -> None:
    """Assert that no comment is written, and that the log has one line with `reason`."""
    done = _comment(github)
    assert (2, [], 1) == (done.returncode, _bodies(github), len(done.stderr.splitlines()))
    assert reason in done.stderr


def _bodies(github, number: int = 7) -> list[str]:
    return [comment["body"] for comment in github.comments[number]]


def test_five_runs_leave_one_comment_with_the_result_of_the_last(github):
    for number in range(4):
        _leave(github, f"run {number}")
        _comment(github)
    _leave(github, "too low", "fail")
    done = _comment(github)
    assert (0, 1) == (done.returncode, len(_bodies(github)))
    assert _bodies(github)[0].startswith("# ❌ Blocked: gate")


def _push(github, sha: str) -> None:
    """Make `sha` the head of the pull request, checked by both runs."""
    github.pulls[0]["head"]["sha"] = sha
    for run in github.runs:
        run["head_sha"] = sha


def test_comment_lists_the_verdicts_on_the_last_ten_commits(github):
    verdicts = []
    for number in range(11):
        verdicts = history.with_verdict(verdicts, f"{number:040x}", f"{'❌✅'[number % 2]} run {number}", str(number))
    _leave(github, "gone", "fail")
    _comment(github)
    github.comments[7][0]["body"] = history.RECORD.sub(history.record(verdicts), _bodies(github)[0])
    _push(github, "d" * 40)
    for text in ("first", "second"):  # the other workflow ends, on the same commit
        _leave(github, text, "fail")
        _comment(github, HEAD_SHA="d" * 40)
    (body,) = _bodies(github)
    assert "Last 10 commits with a verdict, newest last: ❌ ✅ ❌ ✅ ❌ ✅ ❌ ✅ ❌ ❌\n" in body
    earlier = body.split("<summary>Earlier verdicts (9)</summary>")[1]
    assert 9 == earlier.count("\n| `00000000` |")
    assert f"| ✅ run 9 | [run 9](https://github.com/{github_api.REPOSITORY}/actions/runs/9) |" in earlier


@pytest.mark.parametrize("record", ["", "bm90IGpzb24=", "W10=", "=", "W3sic2hhIjogIngifV0="])
def test_invalid_history_is_dropped(github, record):
    _leave(github)
    _comment(github)
    before = history.RECORD.sub(f"<!-- slipway-history {record} -->", github.comments[7][0]["body"])
    github.comments[7][0]["body"] = before
    done = _comment(github)
    assert (0, 1) == (done.returncode, len(_bodies(github)))
    assert 1 == len(history.read(_bodies(github)[0]))


def test_history_of_a_comment_that_is_not_ours_is_ignored(github):
    _leave(github, "mine", "fail")
    _comment(github)
    github.comments[7][0]["user"] = {"login": "mallory", "type": "User"}
    _push(github, "d" * 40)
    _leave(github)
    _comment(github, HEAD_SHA="d" * 40)
    assert "Earlier verdicts" not in _bodies(github)[1]


@pytest.mark.parametrize("character", ["|", "😀"])
def test_history_fits_below_the_longest_report(character):
    verdicts = []
    for number in range(12):
        verdicts = history.with_verdict(verdicts, f"{number:040x}", "❌ " + character * 500, "9" * 20)
    assert verdicts == history.read(history.record(verdicts))
    address = "https://github.example.com/" + "x" * 140 + "/actions/runs"
    text = markdown_report.render(history.section(verdicts, address)) + history.record(verdicts)
    assert len(text) <= history.CHARACTERS_MAX


@pytest.mark.parametrize("null", ["HEAD_OWNER", "HEAD_BRANCH"])
def test_the_report_of_a_deleted_fork_is_in_the_summary_only(github, tmp_path, null):
    """GitHub gives null for the owner and the branch, which is an empty variable in a step."""
    _leave(github, "too low", "fail")
    done = _comment(github, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"), **{null: ""})
    assert (0, []) == (done.returncode, _bodies(github))
    assert (tmp_path / "summary.md").read_text().startswith("# ❌ Blocked: gate")


def test_the_token_stays_with_github(github):
    _leave(github)
    _comment(github)
    assert (1, []) == (len(_bodies(github)), github.tokens)


def test_the_number_comes_from_github_and_not_from_the_evidence(github):
    github.open_pull_request(8, "d" * 40, "mallory:change")
    _leave(github, "see #8", statuses={"number": "8", "pull_request": "8"})
    _comment(github)
    assert (1, 0) == (len(_bodies(github, 7)), len(_bodies(github, 8)))


def test_evidence_of_another_run_is_ignored(github):
    github.add_artifact(archive(json.dumps(_evidence("from elsewhere", "fail"))), run=2)
    _comment(github)
    assert "from elsewhere" not in _bodies(github)[0]


@pytest.mark.parametrize("facts", [{"name": "evidence-of-mine"}, {"expired": True}])
def test_an_artifact_of_another_name_or_an_expired_one_is_ignored(github, facts):
    github.add_artifact(archive(json.dumps(_evidence("from elsewhere", "fail"))), **facts)
    _comment(github)
    assert "from elsewhere" not in _bodies(github)[0]


def test_a_commit_that_is_no_longer_the_newest_is_not_commented(github):
    _leave(github)
    done = _comment(github, HEAD_SHA="e" * 40)
    assert (0, []) == (done.returncode, _bodies(github))
    assert "nothing to do" in done.stdout


def test_a_run_without_evidence_is_reported_as_such(github):
    _comment(github)
    assert _bodies(github)[0].startswith("# ❌ Blocked: data, train, compare; 2 more")


def _leave_part(github, run: int, text: str = "fine", outcome: str = "pass", **changes: Any) -> None:
    """Upload evidence of a single run."""
    github.add_artifact(archive(json.dumps(_evidence(text, outcome) | changes)), run=run)


def _still_running(github, checks: checked_run.Checks) -> None:
    """Make the run of a workflow one that has not ended."""
    (run,) = (run for run in github.runs if run["path"] == _path(checks))
    run |= {"status": "in_progress", "conclusion": None}


def test_failed_gate_is_reported_while_the_other_workflow_runs(github):
    _still_running(github, CODE_CHECKS)
    failed = _evidence("negative distance", "fail")["results"]
    _leave_part(github, MODEL, results={"data": failed["data"]}, statuses={"data": "failure", "train": "skipped"})
    _comment(github, CONCLUSION="failure")
    (body,) = _bodies(github)
    assert body.startswith("# ❌ Blocked: gate: negative distance\n")
    assert "Still running: test, lint." in body
    assert "and push. [Log of data](https://github.example/run/1)\n" in body
    assert "| train | did not run (skipped) | [the job data did not succeed](https://github.example/run/1) |" in body


def test_comment_is_updated_when_the_other_workflow_ends(github):
    _still_running(github, CODE_CHECKS)
    _leave_part(github, MODEL)
    _comment(github)
    assert _bodies(github)[0].startswith("# ⏳ Still running: test, lint; 3 gates passed so far")
    github.runs[1] |= {"status": "completed", "conclusion": "failure"}
    _leave_part(github, CODE, "1 failed", "fail")
    environment = {"RUN_ID": str(CODE), "RUN_PATH": _path(CODE_CHECKS), "CONCLUSION": "failure"}
    _comment(github, **environment)
    (body,) = _bodies(github)
    assert body.startswith("# ❌ Blocked: gate")
    assert "running" not in body


def test_workflow_whose_run_has_not_started_counts_as_running(github):
    github.runs.pop()
    _leave(github)
    _comment(github)
    assert _bodies(github)[0].startswith("# ⏳ Still running: test, lint")


@pytest.mark.parametrize("conclusion", ["cancelled", "startup_failure", "action_required"])
def test_other_workflow_without_a_verdict_blocks(github, conclusion):
    github.runs[1]["conclusion"] = conclusion
    _leave(github)
    _comment(github)
    assert _bodies(github)[0].startswith("# ❌ Blocked: test, lint")
    assert f"did not run ({conclusion})" in _bodies(github)[0]


def test_evidence_cannot_claim_that_a_job_is_running(github):
    _leave_part(github, MODEL, statuses={"train": "running"}, results={"data": _evidence()["results"]["data"]})
    _leave_part(github, CODE)
    _comment(github)
    assert _bodies(github)[0].startswith("# ❌ Blocked: train, compare")


def test_run_reports_only_the_jobs_of_its_workflow(github):
    _leave_part(github, MODEL)
    _comment(github)
    assert _bodies(github)[0].startswith("# ❌ Blocked: test, lint")


@pytest.mark.parametrize("facts", [{"head_branch": "other"}, {"head_repository": {"owner": {"login": "mallory"}}}])
def test_run_of_another_branch_or_fork_with_the_same_commit_is_ignored(github, facts):
    github.runs[1] |= facts
    _leave(github)
    _comment(github)
    assert _bodies(github)[0].startswith("# ⏳ Still running: test, lint")


def test_newest_run_of_the_other_workflow_counts(github):
    _add_run(github, CODE_CHECKS, 51)
    _leave(github)
    github.add_artifact(archive(json.dumps(_evidence("flaky", "fail"))), run=51)
    _comment(github)
    assert _bodies(github)[0].startswith("# ❌ Blocked: gate")


def test_run_of_a_workflow_of_the_same_name_gets_no_comment(github):
    _leave(github)
    done = _comment(github, RUN_PATH=".github/workflows/mine.yaml")
    assert (0, []) == (done.returncode, _bodies(github))
    assert "does not check pull requests" in done.stdout


def test_invalid_evidence_of_the_other_run_is_rejected(github):
    _leave_part(github, MODEL)
    github.add_artifact(archive("{}"), run=CODE)
    _rejected(github, "not the evidence of a report; rejected")


def test_each_job_of_the_report_is_checked_by_one_workflow():
    assert sorted(JOBS) == sorted(job for checks in checked_run.CHECKS for job in checks.jobs)
    for checks in checked_run.CHECKS:
        content = yaml.safe_load((ROOT / _path(checks)).read_text(encoding="utf-8"))
        assert {*checks.jobs} - {"compare"} == content["jobs"].keys() - {"report", "required"}
        assert checks.context == content["jobs"]["required"]["name"]


CONCLUSIONS = {
    "success": "# ✅ Ready to merge",
    "failure": "# ✅ Ready to merge",  # the evidence has the verdict; a failure outside of it is in the run
    "timed_out": "# ✅ Ready to merge",
    "neutral": "# ✅ Ready to merge",
    "cancelled": "# ⏹ Not checked",
    "startup_failure": "# ⏹ Not checked",
    "action_required": None,
    "skipped": None,
    "stale": None,
}
"""Every conclusion in GitHub's webhook schema (@octokit/openapi-webhooks 12.1.0), and how the comment begins."""


@pytest.mark.parametrize("conclusion", [*CONCLUSIONS, "brand_new"])
def test_each_conclusion_has_its_comment_or_none(github, conclusion):
    _leave(github)
    done = _comment(github, CONCLUSION=conclusion)
    expected = CONCLUSIONS.get(conclusion)
    assert 0 == done.returncode
    assert ([expected] if expected else []) == [body.splitlines()[0][: len(expected or "")] for body in _bodies(github)]
    assert "Blocked" not in "".join(_bodies(github))


def test_notice_replaces_the_report_on_an_older_commit(github):
    _leave(github)
    _comment(github)
    _comment(github, CONCLUSION="cancelled")
    (body,) = _bodies(github)
    assert f"`{SHA}`: the run was cancelled before it ended." in body


def test_run_that_a_newer_push_cancelled_leaves_the_comment_alone(github):
    _leave(github)
    _comment(github)
    before = _bodies(github)
    _comment(github, HEAD_SHA="e" * 40, CONCLUSION="cancelled")
    assert before == _bodies(github)


def test_workflow_and_code_agree_on_the_conclusions_without_a_comment():
    workflow = yaml.safe_load((ROOT / ".github/workflows/pull-request-comment.yaml").read_text(encoding="utf-8"))
    nothing = {
        name for name, meaning in checked_run.CONCLUSIONS.items() if meaning.comment is checked_run.CommentKind.NOTHING
    }
    assert CONCLUSIONS.keys() == checked_run.CONCLUSIONS.keys()
    for job in workflow["jobs"].values():
        (listed,) = re.findall(r"!contains\(fromJSON\('(.+?)'\), github.event.workflow_run.conclusion\)", job["if"])
        assert nothing == set(json.loads(listed))


def test_the_commands_name_the_commit_that_github_reports(github):
    _leave(github)
    _comment(github)
    assert f"git checkout {SHA}" in _bodies(github)[0]


def test_a_comment_by_a_user_with_our_watermark_is_not_changed(github):
    _leave(github)
    _comment(github)
    github.comments[7][0]["user"] = {"login": "mallory", "type": "User"}
    before = _bodies(github)[0]
    _leave(github, "newer")
    _comment(github)
    assert (before, 2) == (_bodies(github)[0], len(_bodies(github)))


@pytest.mark.parametrize("content", ["{", "[]", '{"results": {}}', "[" * 100_000, '{"results": NaN}', "\x00", "\udcff"])
def test_evidence_with_another_structure_is_rejected_in_one_line(github, content):
    github.add_artifact(archive(content.encode(errors="surrogateescape")))
    _rejected(github, "evidence.json: ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"extra": 1}, "extra_forbidden"),
        ({"task": "anything"}, "literal_error"),
        ({"changes": {"base": None, "head": "main; touch canary"}}, "string_pattern_mismatch"),
        ({"primary": 10**5000}, "rejected"),
    ],
)
def test_evidence_with_an_invalid_value_is_rejected(github, changes, reason):
    sys.set_int_max_str_digits(0)
    _leave(github, **changes)
    _rejected(github, reason)


@pytest.mark.parametrize(
    "compared",
    [
        {"baselines": {"linear": {"all": [{"metric": 3}]}}, "rows": "many"},
        {"baselines": {"linear": {"all": "x"}}, "rows": 1},
        {"calibration": [{"predicted": "](x)", "observed": 1}]},
        {"calibration": [1]},
    ],
)
def test_a_comparison_that_cannot_be_rendered_is_rejected(github, compared):
    results = _evidence()["results"]
    results["compare"]["evidence"] = compared
    _leave(github, results=results)
    _rejected(github, "not the evidence of a report; rejected")


def test_rejected_evidence_is_not_repeated_in_the_log(github):
    github.add_artifact(archive('{"::add-mask::x\\n::error::@everyone": 1}'))
    assert "everyone" not in _comment(github).stderr


BOMB = b" " * 100_000_000
LARGE = random.Random(0).randbytes(50_000_000)


def _unpacked(size: int) -> bytes:
    """Return an archive that states a smaller size than its file has."""
    honest = archive(b" " * size)
    return honest.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))


def _twice() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the duplicate name
        made.writestr("evidence.json", json.dumps(_evidence()))
        made.writestr("evidence.json", json.dumps(_evidence("another", "fail")))
    return target.getvalue()


def _many() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for number in range(20_000):
            made.writestr(f"{number}", b"")
    return target.getvalue()


ARCHIVES = {
    "a path that climbs out": (
        lambda: archive("{}", name="../../evidence.json"),
        "holds 0 files evidence.json",
    ),
    "an absolute path": (lambda: archive("{}", name="/etc/evidence.json"), "holds 0 files evidence.json"),
    "a path of another system": (
        lambda: archive("{}", name="..\\evidence.json"),
        "holds 0 files evidence.json",
    ),
    "a link": (lambda: archive("/etc/passwd", mode=stat.S_IFLNK | 0o777), "is a link"),
    "a bomb of 100 MB": (lambda: archive(BOMB), "over 2,000,000 bytes"),
    "a bomb packed with bzip2": (lambda: archive(BOMB, packed=zipfile.ZIP_BZIP2), "unsupported compression"),
    "a bomb packed with LZMA": (lambda: archive(BOMB, packed=zipfile.ZIP_LZMA), "unsupported compression"),
    "a file that is larger than stated": (lambda: _unpacked(3_000_000), "not an archive"),
    "20,000 files": (_many, "holds 0 files evidence.json"),
    "the file twice": (_twice, "holds 2 files evidence.json"),
    "no archive": (lambda: b"{}", "not an archive"),
    "half an archive": (lambda: archive("{}")[:-30], "not an archive"),
    "nothing": (lambda: b"", "not an archive"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_upload_artifact_would_not_make_is_rejected(github, case):
    make, reason = ARCHIVES[case]
    github.add_artifact(make())
    _rejected(github, reason)


@pytest.mark.parametrize("facts", [{}, {"size_in_bytes": 1000}])
def test_fifty_megabytes_are_rejected_whatever_their_stated_size(github, facts):
    github.add_artifact(archive(LARGE), **facts)
    _rejected(github, "5,000,000")


def test_evidence_at_its_bounds_still_fits_a_comment(github):
    results = _evidence("x " * 9_990, "fail")["results"]
    for result in results.values():
        result["verdicts"] *= 18
    _leave(github, results=results)
    assert 1_700_000 < len(json.dumps(results))
    assert 0 == _comment(github).returncode
    assert len(_bodies(github)[0]) < 65_536


HARM = [
    "@everyone",
    "@team/admins",
    "#8",
    "GH-8",
    "team/flights#8",
    "[here](https://example.com)",
    "![](https://example.com/pixel.png)",
    "https://example.com",
    "www.example.com",
    "<img src=x onerror=alert(1)>",
    "<details open><summary>x</summary>",
    "<!-- hidden",
    "</details>",
    "`x` | y | z",
    "```\n# Ready",
    "\n\n# Ready to merge",
    "[x]: https://example.com",
    "\u202eevil",
]


def test_untrusted_text_cannot_mention_link_or_draw(github):
    results = _evidence()["results"]
    for job, result in results.items():
        verdicts = [{"gate": bad, "outcome": "fail", "threshold": bad, "observed": bad, "reason": bad} for bad in HARM]
        result |= {"error": f"{job} {HARM[0]}", "verdicts": verdicts}
    pairs = {f"{bad}{number}": [bad, bad] for number, bad in enumerate(HARM)}
    changes = {"base": "b" * 40, "head": "a" * 40, "parameters": pairs, "data": pairs, "files": HARM}
    columns = [{"name": bad, "description": bad, "unit": bad} for bad in HARM]
    card = {"purpose": " ".join(HARM), "target": HARM[0], "columns": columns}
    _leave(github, results=results, changes=changes, card=card, statuses=dict.fromkeys(HARM, "x"))
    _comment(github)
    (body,) = _bodies(github)
    assert (
        {"https://github.example/run/1", "https://github.example/run/2"},
        {"<details>", "<summary>", "</details>", "</summary>"},
    ) == markdown.outside(body)


def _cml(folder: Path, code: int) -> str:
    """Return a PATH with a `cml` that records its arguments and exits with `code`."""
    tool = folder / "bin" / "cml"
    tool.parent.mkdir()
    tool.write_text(CML.format(python=sys.executable, log=str(folder / "asked"), code=code))
    tool.chmod(0o755)
    return f"{tool.parent}{os.pathsep}{os.environ['PATH']}"


def test_cml_comments_where_it_is_installed(github, tmp_path):
    _leave(github)
    done = _comment(github, path=_cml(tmp_path, 0))
    asked = (tmp_path / "asked").read_text()
    assert "comment: https://github.example/comment" in done.stdout
    assert {"--publish=false", "--watermark-title=slipway", "--target=pr/7"} <= set(asked.splitlines())
    assert [] == _bodies(github)


def test_gh_comments_where_cml_fails(github, tmp_path):
    _leave(github)
    _comment(github, path=_cml(tmp_path, 1))
    assert 1 == len(_bodies(github))


@pytest.mark.parametrize(("author", "place"), [("User", 0), ("Bot", 30)])
def test_gh_comments_where_cml_would_take_another_comment_or_miss_ours(github, tmp_path, author, place):
    """CML 0.20.6 updates the newest comment with its watermark, by any author, of the first 30."""
    there = [
        {"id": number, "user": {"type": "User"}, "body": "Thanks", "html_url": "https://github.example"}
        for number in range(1, 32)
    ]
    there[place] |= {"user": {"type": author}, "body": '![](https://cml.dev/watermark.png#abc "CML watermark slipway")'}
    github.comments[7] = there
    _leave(github)
    _comment(github, path=_cml(tmp_path, 0))
    assert not (tmp_path / "asked").exists()
    assert (31 if author == "Bot" else 32) == len(_bodies(github))


def test_the_step_summary_always_has_the_report(github, tmp_path):
    summary = tmp_path / "summary.md"
    _leave(github)
    github.pulls.clear()
    _comment(github, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("# ✅ Ready to merge")


def _workflow(github, folder: Path, started_by: str, conclusion: str = "success") -> act.WorkflowRun:
    """Run the shipped pull-request-comment.yaml on the evidence of run 1."""
    home = Home(folder)
    home.git_config.write_text("[user]\n    name = A\n    email = a@example.invalid\n")
    tree = folder / "tree"
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(tree)], check=True)
    branch = github.pulls[0]["head"]["ref"]
    facts = {"head_sha": SHA, "head_branch": branch, "head_repository": {"owner": {"login": "team"}}}
    facts |= {"html_url": "https://github.example/run/1", "conclusion": conclusion, "path": _path(MODEL_CHECKS)}
    event = act.GitHubEvent("workflow_run", {"workflow_run": {"id": 1, "event": started_by, **facts}})
    api = {"GH_HOST": github.address, "GH_ENTERPRISE_TOKEN": "token", "SSL_CERT_FILE": github.certificate}
    return act.run(
        "pull-request-comment.yaml", tree, event, folder / "run", env=home.environment() | api, variables={}, log=print
    )


@pytest.mark.parametrize(("left", "expected"), [(True, "# ✅ Ready to merge"), (False, "# ❌ Blocked: data, train")])
def test_the_workflow_comments_on_a_run_with_and_without_evidence(github, tmp_path, left, expected):
    if left:
        _leave(github)
    finished = _workflow(github, tmp_path, "pull_request")
    assert (True, 1, []) == (finished.succeeded, len(_bodies(github)), github.statuses)
    assert _bodies(github)[0].startswith(expected)
    assert "skipped" == finished.jobs["required-status"].result


def test_workflow_comments_on_a_retraining_and_posts_its_status(github, tmp_path, monkeypatch):
    monkeypatch.setattr(github_api, "REPOSITORY", act.REPOSITORY)
    github.pulls.clear()
    github.open_pull_request(7, SHA, "local:retrain")
    github.runs.clear()
    github.add_run(SHA, "success")
    _leave(github)
    finished = _workflow(github, tmp_path, "workflow_dispatch")
    assert {"comment": "success", "required-status": "success"} == {
        name: job.result for name, job in finished.jobs.items()
    }
    assert [("required", "success", SHA)] == [
        (status["context"], status["state"], status["sha"]) for status in github.statuses
    ]


def test_workflow_does_nothing_for_a_run_that_waits_for_approval(github, tmp_path):
    finished = _workflow(github, tmp_path, "workflow_dispatch", "action_required")
    assert ({"skipped"}, []) == ({job.result for job in finished.jobs.values()}, github.calls)
