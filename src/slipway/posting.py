"""One comment somewhere on GitHub, updated in place: by CML, or by gh where CML cannot be had."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slipway import cml, github

WATERMARK = 'https://cml.dev/watermark.png#{sha} "CML watermark {title}"'
"""What `cml comment update` finds its comment by; with the same mark, `gh` and CML update one another's."""

CML_PAGE = 30  # comments of a pull request that CML 0.20.6 asks GitHub for


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
    there = [comment for page in _pages(place) for comment in page]
    mark = re.escape(f"![]({WATERMARK.format(sha='SHA', title=place.title)})").replace("SHA", "[0-9a-f]+")
    marked = [comment for comment in there if re.search(mark, comment.get("body") or "")]
    ours = [comment for comment in marked if github.is_bot(comment)]  # every user can write the watermark
    # CML updates the newest one with the mark, by any author, and only searches the first page of a pull request
    if cml.found() and ours == marked and all(comment in there[:CML_PAGE] for comment in ours):
        try:
            return _with_cml(place, sha, text)
        except cml.CmlError as error:
            print(f"comment: {error}; trying gh")
    return _with_gh(place, sha, text, ours)


def _pages(place: Place) -> list[list[dict[str, Any]]]:
    return github.call("GET", f"{place.comments}?per_page=100", None, "--paginate", "--slurp")


def _with_cml(place: Place, sha: str, text: str) -> str:
    """Comment with CML. Returns the comment's address. Raises CmlError, which must not cost the report."""
    host = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    command = ["comment", "update", "--driver=github", f"--repo={host}/{place.repository}"]
    command += ["--publish=false"]  # otherwise every local link target is uploaded to a public host
    command += [f"--watermark-title={place.title}", f"--target={place.target}"]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.md"
        report.write_text(text, encoding="utf-8")
        return cml.call([*command, str(report)], sha).strip()


def _with_gh(place: Place, sha: str, text: str, ours: list[dict[str, Any]]) -> str:
    """Update the newest of `ours`, or make a comment. Returns its address."""
    body = {"body": f"{text}\n\n![]({WATERMARK.format(sha=sha, title=place.title)})"}
    if ours:
        return github.call("PATCH", place.comment(ours[-1]["id"]), body)["html_url"]
    return github.call("POST", place.comments, body)["html_url"]
