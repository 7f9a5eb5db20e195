"""The health issue is opened, updated and closed by the results of `slipway monitor`; a retraining is started."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from types import SimpleNamespace

import pytest

from slipway import webhook
from slipway.environment.environment import Environment
from slipway.errors import MissingFileError, ToolError
from slipway.gates import Outcome, Verdict
from slipway.gates.monitoring_evidence import MonitorEvidence
from slipway.monitoring import health_issue
from slipway.results import MONITOR, recorded
from tests import github_api
from tests.markdown import outside
from tests.unit.test_webhook import receiving as webhook_receiver

WINDOW = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-08T00:00:00+00:00", "rows": 6300}
QUIET = {"trigger": None, "because": "no check requests a retraining"}
DECAY = {"trigger": "decay", "because": "performance: roc_auc is worse\nthan expected"}


class Watch:
    """An environment that runs v0.1.0, its repository, and the last monitoring result."""

    desired: SimpleNamespace | None = SimpleNamespace(release="v0.1.0")

    def __init__(self, github: github_api.GitHub) -> None:
        self.github = github

    def monitor(self, retrain: dict | None = None, error: str = "", reason: str = "", **outcomes: str) -> str:
        """Write a monitoring result with these outcomes; return the output of `slipway health`."""
        with recorded(MONITOR) as result:
            about = {"environment": "production", "release": "v0.1.0", "window": WINDOW}
            result.evidence = MonitorEvidence.model_validate(about | {"retrain": retrain or QUIET})
            result.verdicts = [Verdict(name, Outcome(text), "", "", reason) for name, text in outcomes.items()]
            result.error = error or None
        return self.act()

    def act(self) -> str:
        output = io.StringIO()
        with redirect_stdout(output):
            environment = Environment("production")
            environment.desired = lambda: self.desired
            health_issue.health(environment)
        return output.getvalue()

    @property
    def issues(self) -> list[tuple[str, str]]:
        return [(issue["title"], issue["state"]) for issue in self.github.issues]

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for issue in self.github.issues for comment in self.github.comments[issue["number"]]]


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with github_api.serve(tmp_path) as github:
        monkeypatch.setenv("GITHUB_REPOSITORY", github_api.REPOSITORY)
        monkeypatch.setenv("GH_HOST", github.address)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
        monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
        yield Watch(github)


def test_a_failed_check_opens_an_issue_that_later_runs_update(watch):
    for reason in ("first", "second", "third"):
        watch.monitor(drift="fail", performance="pass", reason=reason)
    assert [("production is not healthy: drift", "open")] == watch.issues
    assert "third" in watch.github.issues[0]["body"]
    assert [] == watch.comments


def test_a_change_of_the_failed_checks_is_a_comment(watch):
    watch.monitor(drift="fail")
    watch.monitor(performance="fail")
    assert [("production is not healthy: performance", "open")] == watch.issues
    assert ["Now failing: performance. Passing again: drift.\n"] == watch.comments


def test_the_webhook_gets_each_change_of_the_failed_checks_and_no_repetition(watch, monkeypatch):
    with webhook_receiver() as (address, received):
        monkeypatch.setenv(webhook.WEBHOOK, address)
        for drift, performance in (
            ("pass", "pass"),
            ("fail", "pass"),
            ("fail", "pass"),
            ("fail", "fail"),
            ("pass", "inconclusive"),
            ("pass", "pass"),
            ("pass", "pass"),
        ):
            watch.monitor(drift=drift, performance=performance)
    assert [
        "*❌ production is not healthy: drift*\nFailed checks: drift",
        "*❌ production is not healthy: drift, performance*\nFailed checks: drift, performance",
        "*✅ production: every check passes again*",
    ] == [message["text"] for _, message in received]


def test_without_issues_the_webhook_still_gets_failed_checks(watch, monkeypatch):
    watch.github.settings["issues"] = 410
    with webhook_receiver() as (address, received):
        monkeypatch.setenv(webhook.WEBHOOK, address)
        watch.monitor(drift="pass")
        watch.monitor(drift="fail")
    assert ["*❌ production is not healthy: drift*\nFailed checks: drift"] == [
        message["text"] for _, message in received
    ]


def test_a_passing_run_closes_the_issue_and_the_next_failure_opens_another(watch):
    watch.monitor(drift="fail")
    watch.monitor(drift="pass")
    watch.monitor(drift="pass")
    watch.monitor(drift="fail")
    assert ["closed", "open"] == [state for _, state in watch.issues]
    assert ["Every check passes again.\n"] == watch.comments


def test_an_inconclusive_run_neither_opens_nor_closes_an_issue(watch):
    assert "no issue is needed" in watch.monitor(drift="inconclusive")
    assert [] == watch.issues
    watch.monitor(drift="fail")
    assert "stays open" in watch.monitor(drift="inconclusive")
    assert [("production is not healthy: drift", "open")] == watch.issues
    watch.monitor(performance="fail")
    assert ["Now failing: performance. Passing again: drift.\n"] == watch.comments


def test_a_failed_monitoring_run_opens_an_issue(watch):
    watch.monitor(error="no space left on device")
    assert [("production is not healthy: monitoring", "open")] == watch.issues
    assert "no space left on device" in watch.github.issues[0]["body"]


def test_a_requested_retraining_is_started(watch):
    output = watch.monitor(DECAY, performance="fail")
    inputs = {"trigger": "decay", "because": "performance: roc_auc is worse than expected"}
    assert [("retrain.yaml", "main", inputs)] == watch.github.dispatched
    assert "started retrain.yaml" in output
    assert "started retrain.yaml" in watch.github.issues[0]["body"]


@pytest.mark.parametrize("retrain", [QUIET, {"trigger": "whim", "because": ""}])
def test_no_retraining_is_started_without_a_valid_trigger(watch, retrain):
    watch.monitor(retrain, performance="fail")
    assert [] == watch.github.dispatched


def test_an_issue_of_a_user_with_the_marker_is_left_alone(watch):
    watch.monitor(drift="fail")
    watch.github.issues[0]["user"] = {"login": "mallory", "type": "User"}
    watch.monitor(drift="fail")
    watch.monitor(drift="pass")
    assert ["open", "closed"] == [state for _, state in watch.issues]


def test_an_issue_of_a_deleted_account_is_left_alone(watch):
    watch.monitor(drift="fail")
    watch.github.issues[0]["user"] = None
    watch.monitor(drift="fail")
    assert 2 == len(watch.issues)


DISABLED = (410, "Issues has been disabled in this repository.")


def test_a_repository_without_issues_has_the_report_and_the_setting_in_the_summary(watch, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    watch.github.rejections["issues"] = DISABLED
    output = watch.monitor(DECAY, drift="fail", reason="PSI 0.4")
    summary = (tmp_path / "summary.md").read_text()
    for text in (output, summary):
        assert "production is not healthy: drift; no issue was opened" in text
        assert "(HTTP 410); turn on Settings → General → Features → Issues" in text
    assert "PSI 0.4" in summary
    assert ["retrain.yaml"] == [workflow for workflow, *_ in watch.github.dispatched]


def test_a_repository_whose_issues_cannot_be_listed_is_no_failure(watch):
    watch.github.settings["issues"] = 410
    assert "no issue is needed" in watch.monitor(drift="pass")
    assert "production is not healthy: drift; no issue was opened" in watch.monitor(drift="fail")


def test_a_retraining_that_cannot_be_started_is_in_the_issue(watch):
    watch.github.rejections["dispatches"] = (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    watch.monitor(DECAY, performance="fail")
    (issue,) = watch.github.issues
    assert "requested by decay, but not started" in issue["body"]
    assert "Enable workflow" in issue["body"]


def test_another_rejection_of_an_issue_is_an_error_that_names_the_permission(watch):
    watch.github.rejections["issues"] = "Resource not accessible by integration"
    with pytest.raises(ToolError, match="give the job the permission"):
        watch.monitor(drift="fail")


def test_the_issue_of_another_environment_is_left_alone(watch):
    watch.monitor(drift="fail")
    watch.github.issues[0]["body"] = watch.github.issues[0]["body"].replace("health production", "health staging")
    watch.monitor(drift="fail")
    assert 2 == len(watch.issues)


HARM = "@everyone #1 [x](https://evil.example) <img src=x> ```\n\n# Fine\n![](https://evil.example) </details> -->"


def test_findings_cannot_mention_link_or_draw(watch):
    watch.monitor(error=HARM, reason=HARM, **{HARM: "fail"})
    watch.monitor(reason=HARM, **{HARM[1:]: "fail"})
    body = watch.github.issues[0]["body"].rsplit("<!-- ", 1)[0]
    assert (set(), set()) == outside(body)
    assert all((set(), set()) == outside(comment) for comment in watch.comments)


def test_an_environment_without_a_release_is_no_error(watch, monkeypatch):
    monkeypatch.setattr(Watch, "desired", None)
    assert "nothing is deployed to production yet, so there is nothing to monitor; merge to main" in watch.act()
    assert [] == watch.github.calls


def test_a_missing_token_is_reported(watch, monkeypatch):
    for name in ("GH_ENTERPRISE_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "GITHUB_REPOSITORY or GH_TOKEN is not set" in watch.monitor(drift="fail")


def test_without_a_monitoring_result_the_command_is_named(watch):
    with pytest.raises(MissingFileError, match="run `slipway monitor` first"):
        watch.act()
