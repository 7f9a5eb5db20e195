"""One comment somewhere on GitHub, updated in place: by CML, or by gh where CML cannot be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slipway import github

WATERMARK = 'https://cml.dev/watermark.png#{sha} "CML watermark {title}"'
"""What `cml comment update` finds its comment by; with the same mark, `gh` and CML update one another's."""


@dataclass(frozen=True)
class Place:
    """Where a comment belongs."""

    repository: str
    target: str
    """As CML calls it: `pr/7`, or `commit/` and its SHA."""
    title: str
    """Of the watermark: comments of different titles do not replace one another."""

    @property
    def comments(self) -> str:
        """Address of all comments there, in GitHub's API."""
        kind, name = self.target.split("/")
        return f"repos/{self.repository}/{'commits' if kind == 'commit' else 'issues'}/{name}/comments"

    def comment(self, number: int) -> str:
        """Address of one comment."""
        kind = "comments" if self.target.startswith("commit/") else "issues/comments"
        return f"repos/{self.repository}/{kind}/{number}"


def post(place: Place, sha: str, text: str) -> str:
    """Write the comment, in place of an older one of ours. Returns its address. Raises UserError."""
    return _with_cml(place, text) or _with_gh(place, sha, text)


def _with_cml(place: Place, text: str) -> str | None:
    """Comment with CML; None when it is not there or fails, which must not cost the report."""
    if not shutil.which("cml"):
        return None
    host = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    command = ["cml", "comment", "update", "--driver=github", f"--repo={host}/{place.repository}"]
    command += ["--publish=false"]  # otherwise every local link target is uploaded to a public host
    command += [f"--watermark-title={place.title}", f"--target={place.target}"]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.md"
        report.write_text(text, encoding="utf-8")
        done = subprocess.run([*command, str(report)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"comment: cml failed ({(done.stderr.strip() or 'no reason given').splitlines()[-1]}); trying gh")
        return None
    return done.stdout.strip()


def _with_gh(place: Place, sha: str, text: str) -> str:
    """Update the comment that carries the watermark, or make it. Returns its address."""
    mark = WATERMARK.format(sha=sha, title=place.title)
    known = re.compile(re.escape(f"![]({WATERMARK.format(sha='SHA', title=place.title)})").replace("SHA", "[0-9a-f]+"))
    pages = github.call("GET", f"{place.comments}?per_page=100", None, "--paginate", "--slurp")
    ours = [one for page in pages for one in page if _ours(one, known)]
    body = {"body": f"{text}\n\n![]({mark})"}
    if ours:
        return github.call("PATCH", place.comment(ours[-1]["id"]), body)["html_url"]
    return github.call("POST", place.comments, body)["html_url"]


def _ours(one: dict[str, Any], mark: re.Pattern[str]) -> bool:
    """Whether a comment is the bot's: anybody can write the watermark, so its author must be one."""
    return github.is_bot(one) and bool(mark.search(one.get("body") or ""))
