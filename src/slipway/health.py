"""The verb `health`: one issue on GitHub about an environment that is not well, and a new model where one is asked for.

Reads results/monitor.json. Trouble opens the issue or updates it; a look without any closes it; one that cannot tell
leaves it open or closed. It is found by a mark in its text and by its author, a bot, since anybody can write the mark.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import github, results
from slipway.delivery import evidence
from slipway.delivery.desired_state import DeployBranch
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.github import GONE, ApiError
from slipway.report import health as content
from slipway.report import markdown
from slipway.retraining import pull_request, trigger
from slipway.retraining.proposals import can_ask

if TYPE_CHECKING:
    from slipway.report.document import Document
    from slipway.results import JobResult

JOB = "health"
SOURCE = "monitor"
WORKFLOW = "retrain.yaml"
MARK = re.compile(r"<!-- slipway-health (\w+): ([\w, -]*) -->\s*$")
ROOM = 1_000  # characters that the issue keeps for its mark
LONGEST = 1_000  # characters of the evidence that a dispatched run is given


def health(environment: str) -> None:
    """Keep the issue up to date, and start a retraining where it is asked for. Raises UserError when a look failed."""
    with results.recorded(JOB) as result:
        summary = _keep(environment)
        result.evidence = {"environment": environment}
        result.verdicts = [Verdict(JOB, Outcome.PASS, "every finding is reported", summary)]
    print(f"health: {summary}")
    results.add_to_summary(f"{summary}\n")


def _keep(environment: str) -> str:
    """What was done, in a sentence."""
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    if branch.read(environment) is None:
        return f"{environment} runs nothing yet, so there is nothing to watch; merge to main, and let deploy.yaml run"
    found = results.read().get(SOURCE)
    if found is None:
        raise UserError(f"{results.RESULTS}/{SOURCE}.json: not there; run `slipway monitor` first")
    if not can_ask():
        return (
            "no issue and no retraining, because GITHUB_REPOSITORY or GH_TOKEN is not set; results/monitor/ has it all"
        )
    repository = os.environ["GITHUB_REPOSITORY"]
    action = _retrain(found, repository)
    text = content.write(environment, found, action, evidence.run_url())
    try:
        reported = _in_issue(repository, environment, found, text)
    except ApiError as error:
        if error.status != GONE:
            raise
        reported = _without_issue(environment, found, text, error)
    return f"{reported}; retraining: {action}"


def _in_issue(repository: str, environment: str, found: JobResult, text: Document) -> str:
    """Bring the issue up to date. Returns what was done. Raises ApiError where GitHub refuses."""
    issue = Issue.find(repository, environment)
    if troubles := content.troubles(found):
        return issue.tell(content.title(environment, found), text, troubles)
    return issue.close() if found.outcome is Outcome.PASS else issue.refresh(text)


def _without_issue(environment: str, found: JobResult, text: Document, error: ApiError) -> str:
    """Report in the job summary where the repository has no Issues. Returns what was done."""
    if not content.troubles(found):
        return f"no issue, and none is needed; the next one needs Issues ({error})"
    results.add_to_summary(markdown.render(text))
    return f"{content.title(environment, found)}; no issue was opened: {error}"


def _retrain(found: JobResult, repository: str) -> str:
    """Start a retraining if the look asks for one. Returns what was done, in words."""
    wanted = found.evidence.get("retrain") or {"wanted": False}
    if not wanted["wanted"]:
        return "not asked for"
    fired, because = wanted["trigger"], " ".join(str(wanted["because"]).split())[:LONGEST]
    if fired not in trigger.TRIGGERS:
        return f"asked for by {fired}, which is no trigger of `slipway retrain`"
    try:
        pull_request.start(repository, WORKFLOW, pull_request.TARGET, {"trigger": fired, "because": because})
    except ApiError as error:
        return f"asked for, because of {fired}, and not started: {error}"
    return f"asked for, because of {fired}; {WORKFLOW} was started, and says whether it is time"


class Issue:
    """The health issue of an environment, if there is an open one."""

    def __init__(self, repository: str, environment: str, found: dict[str, Any] | None) -> None:
        self.path, self.environment, self.found = f"repos/{repository}/issues", environment, found

    @classmethod
    def find(cls, repository: str, environment: str) -> Issue:
        """Look among the open ones."""
        pages = github.call("GET", f"repos/{repository}/issues?state=open&per_page=100", None, "--paginate", "--slurp")
        ours = (one for page in pages for one in page if _is_ours(one, environment))
        return cls(repository, environment, next(ours, None))

    def tell(self, title: str, text: Document, troubles: list[str]) -> str:
        """Open it, or bring it up to date, with a comment where other things are not well than before."""
        body = {"title": title, "body": self._body(text, troubles)}
        if self.found is None:
            return f"opened {github.call('POST', self.path, body)['html_url']}"
        before = self._before()
        self._patch(body)
        if before != troubles:
            self._comment(markdown.render(content.changed(before, troubles)))
        return f"updated {self.found['html_url']}"

    def refresh(self, text: Document) -> str:
        """Bring one that is open up to date with a look that could not tell; open none for it."""
        if self.found is None:
            return "no issue, and none is needed: what was asked passed, or could not be told"
        self._patch({"body": self._body(text, self._before())})
        return f"updated {self.found['html_url']}, which stays open: not every question passes"

    def close(self) -> str:
        """Close it, if it is open: all is well."""
        if self.found is None:
            return "every question passes, and no issue is open"
        self._comment("Every question passes again.\n")
        self._patch({"state": "closed", "state_reason": "completed"})
        return f"closed {self.found['html_url']}: every question passes again"

    def _body(self, text: Document, troubles: list[str]) -> str:
        named = ", ".join(re.sub(r"[^\w -]", "", one) for one in troubles)
        body = markdown.render(text, markdown.LENGTH_MAX - ROOM)
        return f"{body}\n<!-- slipway-health {self.environment}: {named} -->\n"

    def _before(self) -> list[str]:
        """What was not well when the issue was last written."""
        mark = MARK.search((self.found or {}).get("body") or "")
        return [one for one in mark[2].split(", ") if one] if mark else []

    def _patch(self, changes: dict[str, Any]) -> None:
        github.call("PATCH", f"{self.path}/{(self.found or {})['number']}", changes)

    def _comment(self, text: str) -> None:
        github.call("POST", f"{self.path}/{(self.found or {})['number']}/comments", {"body": text})


def _is_ours(one: dict[str, Any], environment: str) -> bool:
    mark = MARK.search(one.get("body") or "")
    return "pull_request" not in one and github.is_bot(one) and bool(mark) and mark[1] == environment
