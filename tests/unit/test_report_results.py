"""The command `report` counts the results of the files at hand only, whatever else is in results/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway import results
from slipway.gates import Outcome, Verdict
from slipway.pull_request import report
from slipway.report import evidence as inputs
from slipway.settings import read_settings
from tests.git_repository import commit, git

SETTINGS = read_settings()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a repository in which every job has passed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "read_settings", lambda: SETTINGS)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    Path(".gitignore").write_text("results/\n")
    Path("code.py").write_text("a")
    git("init", "-q", "-b", "main")
    commit()
    for job in inputs.JOBS:
        _record(job)


def _record(job: str) -> None:
    with results.recorded(results.JOBS[job]) as result:
        result.verdicts = [Verdict(f"{job} gate", Outcome.PASS, "t", "o")]


def _title() -> str:
    report.report("main", "")
    return json.loads(Path("results/report/verdict.json").read_text())["title"]


def test_results_of_these_files_count(project):
    assert "✅ Ready to merge: all 5 gates pass" == _title()


def test_results_of_uncommitted_files_count_for_their_commit(project):
    Path("code.py").write_text("b")
    for job in inputs.JOBS:
        _record(job)
    commit()
    assert "✅ Ready to merge: all 5 gates pass" == _title()


def test_results_of_a_job_that_updates_what_the_pipeline_writes_count(project):
    Path("dvc.lock").write_text("new")
    assert "✅ Ready to merge: all 5 gates pass" == _title()


@pytest.mark.parametrize("is_committed", [True, False], ids=["of another commit", "of another work tree"])
def test_results_of_other_files_count_as_not_run(project, is_committed):
    Path("code.py").write_text("b")
    if is_committed:
        commit()
    _record("test")
    assert "❌ Blocked: data, train, compare; 1 more" == _title()
    text = Path("results/report/report.md").read_text()
    assert "whose files differ from these; run" in text
    assert "test gate" in text


def test_files_that_change_during_a_job_are_not_vouched_for(project):
    with results.recorded(results.TEST) as result:
        Path("code.py").write_text("b")
        result.verdicts = [Verdict("tests", Outcome.PASS, "t", "o")]
    assert _title().startswith("❌ Blocked: data, train, compare")
    assert "test.json is about commit" in Path("results/report/report.md").read_text()


def test_a_result_without_a_source_counts_as_not_run(project):
    path = Path("results/lint.json")
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "source"}))
    assert "❌ Blocked: lint" == _title()
    assert "results/lint.json names no commit; run" in Path("results/report/report.md").read_text()


@pytest.mark.parametrize(("needs", "is_linked"), [('{"lint": {"result": "success"}}', True), ("", False)])
def test_report_of_a_workflow_links_its_run(project, monkeypatch, needs, is_linked):
    for name, value in {"SERVER_URL": "https://github.example", "REPOSITORY": "team/flights", "RUN_ID": "7"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    report.report("main", needs)
    text = Path("results/report/report.md").read_text()
    assert is_linked == ("| [lint](https://github.example/team/flights/actions/runs/7) | ✅ pass |" in text)
