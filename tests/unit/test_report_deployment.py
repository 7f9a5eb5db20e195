"""The deployment report names the release, its environment and what stopped it, and escapes all quoted text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from slipway.gates import Outcome, Verdict
from slipway.report import deployment, html, markdown
from slipway.report.deployment import Deployment
from slipway.results import JobResult

SUCCESS = dict.fromkeys(deployment.STAGES, "success")


def _result(job: str, *verdicts: Verdict, error: str | None = None) -> JobResult:
    return JobResult(job=job, started=datetime(2026, 1, 1, tzinfo=UTC), verdicts=list(verdicts), error=error)


def _verdict(outcome: Outcome = Outcome.PASS, gate: str = "gate", reason: str = "") -> Verdict:
    return Verdict(gate, outcome, "below 1", "0.5", reason)


def _deployment(**changes: Any) -> Deployment:
    left = {stage: {job: _result(job, _verdict()) for job in jobs} for stage, jobs in deployment.STAGES.items()}
    facts = {"commit": "c" * 40, "release": "v0.2.0", "production": "v0.2.0", "statuses": SUCCESS, "results": left}
    return Deployment(**(facts | changes))


def _with(stage: str, job: str, result: JobResult, **changes: Any) -> Deployment:
    """Return a deployment that ended at `job` of `stage` with `result`."""
    whole, stages = _deployment(), list(deployment.STAGES)
    before = stages[: stages.index(stage)]
    jobs = deployment.STAGES[stage]
    left = {name: whole.results[name] for name in before}
    left[stage] = {name: whole.results[stage][name] for name in jobs[: jobs.index(job)]} | {job: result}
    statuses = {name: "success" if name in before else "skipped" for name in stages} | {stage: "failure"}
    return _deployment(results=left, statuses=statuses, production="v0.1.0", **changes)


def _text(deployed: Deployment) -> str:
    return markdown.render(deployment.write(deployed))


def test_the_title_reports_success_first():
    assert _text(_deployment()).startswith("# ✅ Deployed: production runs v0.2.0\n")


def test_a_run_that_a_newer_run_replaced_is_reported_as_cancelled():
    left = {stage: _deployment().results[stage] for stage in ("build", "image", "staging")}
    deployed = _deployment(results=left, statuses=SUCCESS | {"production": "cancelled"}, production="v0.1.0")
    assert "❌ Not deployed: production: production" == deployment.title(deployed)
    assert "cancelled. a newer run took its place in the queue of this job, or it was cancelled by hand" in _text(
        deployed
    )


def test_a_complete_deployment_passes():
    assert Outcome.PASS is deployment.outcome(_deployment())


@pytest.mark.parametrize(
    ("stage", "job"), [(stage, job) for stage, jobs in deployment.STAGES.items() for job in jobs], ids=str
)
def test_a_gate_that_fails_is_named_first_with_its_reason_and_production_stays(stage, job):
    deployed = _with(stage, job, _result(job, _verdict(Outcome.FAIL, "p99", "much too slow")))
    assert f"❌ Not deployed: {stage}: {job}: p99" == deployment.title(deployed)
    assert "much too slow" in _text(deployed)
    assert "Production should run **v0.1.0**; this deployment did not change that." in _text(deployed)


def test_a_failure_after_promotion_to_production_is_reported_as_deployed():
    whole = _deployment()
    smoke = {"smoke": _result("smoke", _verdict(Outcome.FAIL, "answers"))}
    left = {**whole.results, "production": whole.results["production"] | smoke}
    deployed = _deployment(results=left, statuses=SUCCESS | {"production": "failure"})
    assert "❌ Deployed, and failed: production: smoke: answers" == deployment.title(deployed)
    assert "Production should run **v0.2.0**." in _text(deployed)


def test_a_crashed_step_is_named_with_its_error():
    deployed = _with("staging", "promote", _result("promote", error="v0.2.0 was refused, v0.1.0 keeps serving"))
    assert "❌ Not deployed: staging: promote" == deployment.title(deployed)
    assert "v0.2.0 was refused, v0.1.0 keeps serving" in _text(deployed)


def test_an_inconclusive_load_test_stops_it_too():
    deployed = _with("staging", "loadtest", _result("loadtest", _verdict(Outcome.INCONCLUSIVE, "requests")))
    assert "❌ Not deployed: staging: loadtest: requests" == deployment.title(deployed)
    assert Outcome.FAIL is deployment.outcome(deployed)


def test_a_job_that_failed_without_a_result_fails_the_deployment():
    deployed = _deployment(statuses=SUCCESS | {"production": "failure"}, production="v0.1.0")
    assert "❌ Not deployed: production: production" == deployment.title(deployed)
    assert "see the log" in _text(deployed)


@pytest.mark.parametrize("status", ["failure", "cancelled", "unknown"])
def test_a_failed_job_fails_the_deployment_although_its_results_pass(status):
    assert Outcome.FAIL is deployment.outcome(_deployment(statuses=SUCCESS | {"staging": status}))


def test_missing_statuses_fail_the_deployment():
    assert Outcome.FAIL is deployment.outcome(_deployment(statuses={}))


def test_a_result_that_is_missing_before_others_is_a_failed_gate():
    whole = _deployment()
    there = {job: whole.results["staging"][job] for job in ("verify", "loadtest")}
    left = {**whole.results, "staging": there}
    assert "❌ Not deployed: staging: promote, staging: smoke" == deployment.title(
        _deployment(results=left, production="v0.1.0")
    )


def test_production_that_waits_for_approval_is_inconclusive():
    whole = _deployment()
    left = {stage: whole.results[stage] for stage in ("build", "image", "staging")}
    deployed = _deployment(statuses=SUCCESS | {"production": "skipped"}, results=left, production="v0.1.0")
    assert deployment.title(deployed).startswith("⏸ Staged: v0.2.0 passed")
    assert Outcome.INCONCLUSIVE is deployment.outcome(deployed)


def test_additional_results_of_a_job_are_reported():
    whole = _deployment()
    canary = _result("canary", _verdict(Outcome.FAIL, "errors", "5% of the answers"))
    left = {**whole.results, "production": whole.results["production"] | {"canary": canary}}
    assert "5% of the answers" in _text(_deployment(results=left))


def test_the_report_is_written_when_the_build_failed():
    deployed = _deployment(release=None, production=None, results={}, statuses={"build": "failure"})
    assert _text(deployed).startswith("# ❌ Not deployed: build: build")


HARM = "@everyone [here](https://example.com) <img src=x onerror=alert(1)> | `` # \n# title"


@pytest.mark.parametrize("where", ["reason", "gate", "error", "note"])
def test_text_from_jobs_is_escaped(where):
    changes = {"notes": (HARM,)} if where == "note" else {}
    verdict = _verdict(Outcome.FAIL, HARM if where == "gate" else "p99", HARM if where == "reason" else "")
    result = _result("smoke", *([] if where == "error" else [verdict]), error=HARM if where == "error" else None)
    document = deployment.write(_with("staging", "smoke", result, **changes))
    text, page = markdown.render(document), html.render(document, "title")
    assert [] == [
        harm for harm in ("@everyone", "](https://example.com)", "<img", "\n# title") if harm in text.replace("\\<", "")
    ]
    assert "<img" not in page


def test_the_run_is_linked():
    assert "](https://github.example/runs/1)" in _text(_deployment(run="https://github.example/runs/1"))
