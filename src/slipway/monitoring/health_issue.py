"""The command `health`: one GitHub issue per unhealthy environment, and a retraining where monitoring requests one.

It reads results/monitor.json. A failed check opens or updates the issue, and a run in which every check passes closes
it. An inconclusive run leaves it open or closed. The issue is identified by a marker in its body and by its author, a
bot, because any user can write the marker.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from slipway import output, results, webhook
from slipway.errors import MissingFileError
from slipway.gates import Outcome, Verdict
from slipway.github import api, workflows
from slipway.github.api import GONE, ApiError
from slipway.report import health as content
from slipway.report import markdown
from slipway.retraining import pull_request, trigger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway.environment.environment import Environment
    from slipway.gates.monitoring_evidence import MonitorEvidence, RetrainRequest
    from slipway.report.document import Document
    from slipway.results import JobResult

JOB = "health"
WORKFLOW = "retrain.yaml"
MARKER = re.compile(r"<!-- slipway-health (\w+): ([\w, -]*) -->\s*$")
MARKER_LENGTH_MAX = 1_000  # characters reserved in the body of the issue
EVIDENCE_LENGTH_MAX = 1_000  # characters passed to the dispatched workflow


def health(environment: Environment) -> None:
    """Update the issue of `environment`, and start a retraining if one is requested.

    Raises UserError if `slipway monitor` has not run, or if GitHub refuses a request.
    """
    with results.recorded(JOB) as result:
        summary = _report(environment)
        result.evidence = results.Subject(environment=environment.name)
        result.verdicts = [Verdict(JOB, Outcome.PASS, "every finding is reported", summary)]
    output.result(result, f"health: {summary}")
    workflows.add_to_summary(f"{summary}\n")


def _report(environment: Environment) -> str:
    """Update the issue and start the retraining; return a sentence on what was done."""
    if environment.desired() is None:
        return (
            f"nothing is deployed to {environment} yet, so there is nothing to monitor;"
            " merge to main and wait for deploy.yaml"
        )
    monitored = results.find(results.MONITOR)
    if monitored is None:
        raise MissingFileError(
            f"{results.RESULTS}/{results.MONITOR.name}.json: does not exist; run `slipway monitor` first"
        )
    repository = workflows.writable_repository()
    if repository is None:
        return (
            "no issue and no retraining, because GITHUB_REPOSITORY or GH_TOKEN is not set; the report is in"
            f" {results.RESULTS}/{results.MONITOR.name}/"
        )
    action = _retrain(monitored.evidence.retrain, repository)
    text = content.write(environment.name, monitored, action, workflows.run_url())
    try:
        reported = _in_issue(repository, environment.name, monitored, text)
    except ApiError as error:
        if error.status != GONE:
            raise
        reported = _without_issue(environment.name, monitored, text, error)
    return f"{reported}; retraining: {action}"


def _in_issue(repository: str, environment: str, monitored: JobResult[MonitorEvidence], text: Document) -> str:
    """Open, update or close the issue; return what was done. Raises ApiError if GitHub refuses."""
    issue = HealthIssue.find(repository, environment)
    troubles, title = content.troubles(monitored), content.title(environment, monitored)
    if troubles:
        if troubles != issue.troubles_before():
            _notify_failed(title, troubles)
        return issue.report(title, text, troubles)
    if monitored.outcome is not Outcome.PASS:
        return issue.refresh(text)
    if issue.troubles_before():
        webhook.notify(f"✅ {environment}: every check passes again", link=workflows.run_url())
    return issue.close()


def _notify_failed(title: str, troubles: Iterable[str]) -> None:
    webhook.notify(f"❌ {title}", f"Failed checks: {', '.join(troubles)}", workflows.run_url())


def _without_issue(environment: str, monitored: JobResult[MonitorEvidence], text: Document, error: ApiError) -> str:
    """Report in the job summary and to the webhook where the repository has no Issues; return what was done.

    The failed checks of the previous run are not recorded there, so each run with failed checks is sent.
    """
    troubles = content.troubles(monitored)
    if not troubles:
        return f"no issue is needed; the next one requires Issues ({error})"
    _notify_failed(content.title(environment, monitored), troubles)
    workflows.add_to_summary(markdown.render(text))
    return f"{content.title(environment, monitored)}; no issue was opened: {error}"


def _retrain(request: RetrainRequest | None, repository: str) -> str:
    """Start a retraining if monitoring requests one; return what was done."""
    if request is None or request.trigger is None:
        return "not requested"
    fired = request.trigger
    if fired not in trigger.TRIGGERS:
        return f"requested by {fired}, which is not a trigger of `slipway retrain`"
    because = " ".join(request.because.split())[:EVIDENCE_LENGTH_MAX]
    try:
        workflows.start(repository, WORKFLOW, pull_request.TARGET, {"trigger": fired, "because": because})
    except ApiError as error:
        return f"requested by {fired}, but not started: {error}"
    return f"requested by {fired}; started {WORKFLOW}, which applies the limits of params.yaml"


class HealthIssue:
    """The health issue of an environment; `issue` is the open one, as GitHub returns it, or None."""

    def __init__(self, repository: str, environment: str, issue: dict[str, Any] | None) -> None:
        self.path, self.environment, self.issue = f"repos/{repository}/issues", environment, issue

    @classmethod
    def find(cls, repository: str, environment: str) -> HealthIssue:
        """Search the open issues of `repository`."""
        pages = api.call("GET", f"repos/{repository}/issues?state=open&per_page=100", None, "--paginate", "--slurp")
        matches = (issue for page in pages for issue in page if _is_health_issue(issue, environment))
        return cls(repository, environment, next(matches, None))

    def report(self, title: str, text: Document, troubles: list[str]) -> str:
        """Open or update the issue, with a comment if the failed checks changed; return what was done."""
        body = {"title": title, "body": self._body(text, troubles)}
        if self.issue is None:
            return f"opened {api.call('POST', self.path, body)['html_url']}"
        before = self.troubles_before()
        self._patch(body)
        if before != troubles:
            self._comment(markdown.render(content.changed(before, troubles)))
        return f"updated {self.issue['html_url']}"

    def refresh(self, text: Document) -> str:
        """Update the open issue after an inconclusive run, without opening one; return what was done."""
        if self.issue is None:
            return "no issue is needed: no check failed"
        self._patch({"body": self._body(text, self.troubles_before())})
        return f"updated {self.issue['html_url']}, which stays open: not every check passes"

    def close(self) -> str:
        """Close the open issue, if any; return what was done."""
        if self.issue is None:
            return "every check passes, and no issue is open"
        self._comment("Every check passes again.\n")
        self._patch({"state": "closed", "state_reason": "completed"})
        return f"closed {self.issue['html_url']}: every check passes again"

    def _body(self, text: Document, troubles: list[str]) -> str:
        names = ", ".join(re.sub(r"[^\w -]", "", name) for name in troubles)
        body = markdown.render(text, markdown.LENGTH_MAX - MARKER_LENGTH_MAX)
        return f"{body}\n<!-- slipway-health {self.environment}: {names} -->\n"

    def troubles_before(self) -> list[str]:
        """Return the failed checks when the issue was last written, from its marker."""
        marker = MARKER.search((self.issue or {}).get("body") or "")
        return [name for name in marker[2].split(", ") if name] if marker else []

    def _patch(self, changes: dict[str, Any]) -> None:
        api.call("PATCH", f"{self.path}/{(self.issue or {})['number']}", changes)

    def _comment(self, text: str) -> None:
        api.call("POST", f"{self.path}/{(self.issue or {})['number']}/comments", {"body": text})


def _is_health_issue(issue: dict[str, Any], environment: str) -> bool:
    marker = MARKER.search(issue.get("body") or "")
    is_own = marker is not None and marker[1] == environment
    return is_own and "pull_request" not in issue and api.is_bot(issue)
