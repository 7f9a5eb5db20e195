"""The health issue: one, opened, updated and closed by what `slipway monitor` found; a retraining is started."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from types import SimpleNamespace

import pytest

from slipway import health
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.results import recorded
from tests import github_api
from tests.markdown import outside

WINDOW = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-08T00:00:00+00:00", "rows": 6300}
QUIET = {"wanted": False, "trigger": None, "because": "nothing asks for a new model"}
DECAY = {"wanted": True, "trigger": "decay", "because": "performance: roc_auc is worse\nthan promised"}


class Watch:
    """An environment that runs v0.1.0, its repository, and what the last look found."""

    def __init__(self, github: github_api.GitHub) -> None:
        self.github = github

    def find(self, retrain: dict | None = None, error: str = "", reason: str = "", **outcomes: str) -> str:
        """Let a look find these outcomes, and `slipway health` act on it; returns what that says."""
        with recorded("monitor") as result:
            result.evidence = {"environment": "production", "release": "v0.1.0", "window": WINDOW}
            result.evidence["retrain"] = retrain or QUIET
            result.verdicts = [Verdict(name, Outcome(one), "", "", reason) for name, one in outcomes.items()]
            result.error = error or None
        return self.act()

    def act(self) -> str:
        said = io.StringIO()
        with redirect_stdout(said):
            health.health("production")
        return said.getvalue()

    @property
    def issues(self) -> list[tuple[str, str]]:
        return [(issue["title"], issue["state"]) for issue in self.github.issues]

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for issue in self.github.issues for comment in self.github.comments[issue["number"]]]


class Branch:
    """Stands in for the branch `deploy`."""

    runs: SimpleNamespace | None = SimpleNamespace(release="v0.1.0")

    def __init__(self, *_: object) -> None: ...

    def fetch(self) -> None: ...

    def read(self, _: str) -> SimpleNamespace | None:
        return self.runs


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(health, "DeployBranch", Branch)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with github_api.serve(tmp_path) as github:
        monkeypatch.setenv("GITHUB_REPOSITORY", github_api.REPOSITORY)
        monkeypatch.setenv("GH_HOST", github.address)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
        monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
        yield Watch(github)


def test_trouble_opens_one_issue_that_later_looks_keep_up_to_date(watch):
    for reason in ("first", "second", "third"):
        watch.find(drift="fail", performance="pass", reason=reason)
    assert [("production is not healthy: drift", "open")] == watch.issues
    assert "third" in watch.github.issues[0]["body"]
    assert [] == watch.comments


def test_other_trouble_is_told_in_a_comment(watch):
    watch.find(drift="fail")
    watch.find(performance="fail")
    assert [("production is not healthy: performance", "open")] == watch.issues
    assert ["Now failing: performance. Passing again: drift.\n"] == watch.comments


def test_a_look_without_trouble_closes_it_and_the_next_trouble_opens_another(watch):
    watch.find(drift="fail")
    watch.find(drift="pass")
    watch.find(drift="pass")
    watch.find(drift="fail")
    assert ["closed", "open"] == [state for _, state in watch.issues]
    assert ["Every question passes again.\n"] == watch.comments


def test_a_look_that_cannot_tell_neither_opens_nor_closes(watch):
    assert "no issue, and none is needed" in watch.find(drift="inconclusive")
    assert [] == watch.issues
    watch.find(drift="fail")
    assert "stays open" in watch.find(drift="inconclusive")
    assert [("production is not healthy: drift", "open")] == watch.issues
    watch.find(performance="fail")
    assert ["Now failing: performance. Passing again: drift.\n"] == watch.comments


def test_a_look_that_failed_is_trouble(watch):
    watch.find(error="no space left on device")
    assert [("production is not healthy: monitoring", "open")] == watch.issues
    assert "no space left on device" in watch.github.issues[0]["body"]


def test_a_retraining_is_started_where_one_is_asked_for(watch):
    said = watch.find(DECAY, performance="fail")
    inputs = {"trigger": "decay", "because": "performance: roc_auc is worse than promised"}
    assert [("retrain.yaml", "main", inputs)] == watch.github.started
    assert "retrain.yaml was started" in said
    assert "retrain.yaml was started" in watch.github.issues[0]["body"]


@pytest.mark.parametrize("retrain", [QUIET, {"wanted": True, "trigger": "whim", "because": ""}])
def test_none_is_started_where_none_is_asked_for_or_by_what_is_no_trigger(watch, retrain):
    watch.find(retrain, performance="fail")
    assert [] == watch.github.started


def test_an_issue_of_a_person_with_our_mark_is_left_alone(watch):
    watch.find(drift="fail")
    watch.github.issues[0]["user"] = {"login": "mallory", "type": "User"}
    watch.find(drift="fail")
    watch.find(drift="pass")
    assert ["open", "closed"] == [state for _, state in watch.issues]


def test_an_issue_of_an_account_that_is_gone_is_left_alone(watch):
    watch.find(drift="fail")
    watch.github.issues[0]["user"] = None
    watch.find(drift="fail")
    assert 2 == len(watch.issues)


DISABLED = (410, "Issues has been disabled in this repository.")


def test_a_repository_without_issues_has_the_report_in_the_summary_and_what_to_set(watch, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    watch.github.refuses["issues"] = DISABLED
    output = watch.find(DECAY, drift="fail", reason="PSI 0.4")
    summary = (tmp_path / "summary.md").read_text()
    for text in (output, summary):
        assert "production is not healthy: drift; no issue was opened" in text
        assert "(HTTP 410); switch on Settings → General → Features → Issues" in text
    assert "PSI 0.4" in summary
    assert ["retrain.yaml"] == [workflow for workflow, *_ in watch.github.started]


def test_a_repository_whose_issues_cannot_even_be_listed_is_no_failure(watch):
    watch.github.settings["issues"] = 410
    assert "no issue, and none is needed" in watch.find(drift="pass")
    assert "production is not healthy: drift; no issue was opened" in watch.find(drift="fail")


def test_a_retraining_that_cannot_be_started_is_in_the_issue(watch):
    watch.github.refuses["dispatches"] = (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    watch.find(DECAY, performance="fail")
    (issue,) = watch.github.issues
    assert "because of decay, and not started" in issue["body"]
    assert "Enable workflow" in issue["body"]


def test_another_refusal_of_an_issue_is_an_error_with_what_to_set(watch):
    watch.github.refuses["issues"] = "Resource not accessible by integration"
    with pytest.raises(UserError, match="give the job the permission"):
        watch.find(drift="fail")


def test_the_issue_of_another_environment_is_left_alone(watch):
    watch.find(drift="fail")
    watch.github.issues[0]["body"] = watch.github.issues[0]["body"].replace("health production", "health staging")
    watch.find(drift="fail")
    assert 2 == len(watch.issues)


HARM = "@everyone #1 [x](https://evil.example) <img src=x> ```\n\n# Fine\n![](https://evil.example) </details> -->"


def test_what_was_found_cannot_mention_link_or_draw(watch):
    watch.find(error=HARM, reason=HARM, **{HARM: "fail"})
    watch.find(reason=HARM, **{HARM[1:]: "fail"})
    body = watch.github.issues[0]["body"].rsplit("<!-- ", 1)[0]
    assert (set(), set()) == outside(body)
    assert all((set(), set()) == outside(comment) for comment in watch.comments)


def test_nothing_deployed_is_said_and_is_no_error(watch, monkeypatch):
    monkeypatch.setattr(Branch, "runs", None)
    assert "production runs nothing yet, so there is nothing to watch; merge to main" in watch.act()
    assert [] == watch.github.calls


def test_without_a_token_it_is_said_what_is_missing(watch, monkeypatch):
    for name in ("GH_ENTERPRISE_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "GITHUB_REPOSITORY or GH_TOKEN is not set" in watch.find(drift="fail")


def test_without_a_look_the_verb_to_run_is_named(watch):
    with pytest.raises(UserError, match="run `slipway monitor` first"):
        watch.act()
