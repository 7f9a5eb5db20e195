"""The verb `comment`: one comment on the pull request, updated in place.

It runs with the right to write, on what a pull request left behind, perhaps a stranger's. So it takes nothing but
JSON of a known shape and a bounded size, renders that itself, and asks GitHub, not the pull request, for its number.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import problem
from slipway import write_report
from slipway.changes import Changes
from slipway.errors import UserError
from slipway.report import content, markdown
from slipway.report.document import Link, paragraph
from slipway.settings import read_params

TITLE = "slipway"
WATERMARK = 'https://cml.dev/watermark.png#{sha} "CML watermark ' + TITLE + '"'
"""What `cml comment update` finds its comment by; with the same mark, `gh` and CML update one another's."""

ROOM = 1_000  # characters that a comment keeps for its watermark and its link


@dataclass(frozen=True)
class Run:
    """The workflow run that left the evidence, in the words of GitHub's own event, which a stranger cannot forge."""

    repository: str
    head_sha: str
    head_owner: str
    head_branch: str
    url: str

    @classmethod
    def of_environment(cls) -> Run:
        """From the variables that pull-request-comment.yaml sets. Raises UserError naming the one that is missing."""
        names = ("GITHUB_REPOSITORY", "HEAD_SHA", "HEAD_OWNER", "HEAD_BRANCH", "RUN_URL")
        for name in names:
            if not os.environ.get(name):
                raise UserError(f"{name}: not set; pull-request-comment.yaml sets it from the event")
        return cls(*(os.environ[name] for name in names))


def comment(evidence: Path) -> None:
    """Comment on the pull request whose newest commit was checked; on none when it has moved on or was closed."""
    run = Run.of_environment()
    text = render(evidence, run)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    number = pull_request(run)
    if number is None:
        print(f"comment: no open pull request has {run.head_sha} as its newest commit; nothing to do")
        return
    print(f"comment: {_with_cml(run, number, text) or _with_gh(run, number, text)}")


def render(path: Path, run: Run) -> str:
    """The report in Markdown. Evidence that is not what a report leaves raises UserError; none at all is reported."""
    if path.exists() or path.is_symlink():
        evidence = write_report.read_evidence(path)
        changes = evidence.changes.model_copy(update={"head": run.head_sha})
        evidence = evidence.model_copy(update={"changes": changes})
    else:
        primary = read_params()["gates"]["primary"]
        changes = Changes(base=None, head=run.head_sha)
        evidence = content.Evidence(
            results={}, changes=changes, task=problem.TASK, primary=primary, card=write_report.card(), statuses={}
        )
    try:
        document = [*content.write(evidence), paragraph(Link("The run, with its logs and artifacts", run.url))]
        return markdown.render(document, markdown.LIMIT - ROOM)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: no report can be written from it ({type(error).__name__}); refused") from None


def pull_request(run: Run) -> int | None:
    """Number of the open pull request whose head is the commit that was checked."""
    head = quote(f"{run.head_owner}:{run.head_branch}", safe="")
    found = _api("GET", f"repos/{run.repository}/pulls?state=open&head={head}")
    return next((pull["number"] for pull in found if pull["head"]["sha"] == run.head_sha), None)


def _with_cml(run: Run, number: int, text: str) -> str | None:
    """Comment with CML; None when it is not there or fails, which must not cost the report."""
    if not shutil.which("cml"):
        return None
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.md"
        report.write_text(text, encoding="utf-8")
        host = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        done = subprocess.run(
            [
                "cml",
                "comment",
                "update",
                "--driver=github",
                f"--repo={host}/{run.repository}",
                "--publish=false",  # otherwise every local link target is uploaded to a public host
                f"--watermark-title={TITLE}",
                f"--target=pr/{number}",
                str(report),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        print(f"comment: cml failed ({(done.stderr.strip() or 'no reason given').splitlines()[-1]}); trying gh")
        return None
    return done.stdout.strip()


def _with_gh(run: Run, number: int, text: str) -> str:
    """Update the comment that carries the watermark, or make it. Returns its address."""
    body = f"{text}\n\n![]({WATERMARK.format(sha=run.head_sha)})"
    mark = re.compile(r"!\[\]\(" + re.escape(WATERMARK).replace(re.escape("{sha}"), "[0-9a-f]+") + r"\)")
    comments = f"repos/{run.repository}/issues/{number}/comments"
    pages = _api("GET", f"{comments}?per_page=100", None, "--paginate", "--slurp")
    ours = [one for page in pages for one in page if _ours(one, mark)]
    if ours:
        return _api("PATCH", f"repos/{run.repository}/issues/comments/{ours[-1]['id']}", {"body": body})["html_url"]
    return _api("POST", comments, {"body": body})["html_url"]


def _ours(one: dict[str, Any], mark: re.Pattern[str]) -> bool:
    """Whether a comment is the bot's: anybody can write the watermark, so its author must be one."""
    return one.get("user", {}).get("type") == "Bot" and bool(mark.search(one.get("body") or ""))


def _api(method: str, path: str, body: dict[str, Any] | None = None, *options: str) -> Any:
    """Call GitHub through `gh api`. Raises UserError with its reason."""
    command = ["gh", "api", "--method", method, path, *options, *(["--input", "-"] if body else [])]
    try:
        done = subprocess.run(
            command, input=json.dumps(body) if body else None, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("gh: not found; GitHub's runners have it, elsewhere `uv sync --group delivery`") from None
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise UserError(f"gh api {method} {path.split('?')[0]}: {reason}")
    return json.loads(done.stdout)
