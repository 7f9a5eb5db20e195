"""A comment on GitHub that is updated in place, by CML or, where CML is not available, by gh."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slipway import output
from slipway.github import api, cml, workflows

WATERMARK = 'https://cml.dev/watermark.png#{sha} "CML watermark {title}"'
"""Watermark by which `cml comment update` finds its comment. With it, gh and CML update the same comment."""

CML_PAGE_COMMENTS_MAX = 30  # that CML 0.20.6 requests for a pull request


@dataclass(frozen=True)
class Place:
    """Target of a comment."""

    repository: str
    target: str
    """`pr/NUMBER` or `commit/SHA`, as in CML."""
    title: str
    """Title in the watermark. Comments with different titles do not replace each other."""

    @property
    def comments(self) -> str:
        """Path of the target's comments in GitHub's API."""
        kind, name = self.target.split("/")
        return f"repos/{self.repository}/{'commits' if kind == 'commit' else 'issues'}/{name}/comments"

    def comment(self, number: int) -> str:
        """Return the path of one comment in GitHub's API."""
        kind = "comments" if self.target.startswith("commit/") else "issues/comments"
        return f"repos/{self.repository}/{kind}/{number}"


def post(place: Place, sha: str, text: str) -> str:
    """Create the comment, or update the previous one. Returns its URL. Raises UserError."""
    comments = [comment for page in _pages(place) for comment in page]
    marked = _marked(comments, place)
    ours = [comment for comment in marked if api.is_bot(comment)]  # any user can write the watermark
    # CML updates the newest comment with the watermark, by any author, and reads only the first page
    if cml.is_installed() and ours == marked and all(comment in comments[:CML_PAGE_COMMENTS_MAX] for comment in ours):
        try:
            return _with_cml(place, sha, text)
        except cml.CmlError as error:
            output.warn(f"comment: {error}; trying gh")
    return _with_gh(place, sha, text, ours)


def body(place: Place) -> str:
    """Return the text of the comment that `post` would update; empty if there is none. Raises UserError."""
    marked = _marked([comment for page in _pages(place) for comment in page], place)
    return next((str(comment["body"]) for comment in reversed(marked) if api.is_bot(comment)), "")


def _marked(comments: list[dict[str, Any]], place: Place) -> list[dict[str, Any]]:
    """Return the comments that have the watermark of `place`."""
    mark = re.escape(f"![]({WATERMARK.format(sha='SHA', title=place.title)})").replace("SHA", "[0-9a-f]+")
    return [comment for comment in comments if re.search(mark, comment.get("body") or "")]


def _pages(place: Place) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = api.call("GET", f"{place.comments}?per_page=100", None, "--paginate", "--slurp")
    return pages


def _with_cml(place: Place, sha: str, text: str) -> str:
    """Comment with CML. Returns the comment's URL. Raises CmlError; the caller then comments with gh."""
    command = ["comment", "update", "--driver=github", f"--repo={workflows.server_url()}/{place.repository}"]
    command += ["--publish=false"]  # otherwise CML uploads every local link target to a public host
    command += [f"--watermark-title={place.title}", f"--target={place.target}"]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.md"
        report.write_text(text, encoding="utf-8")
        return cml.call([*command, str(report)], sha).strip()


def _with_gh(place: Place, sha: str, text: str, ours: list[dict[str, Any]]) -> str:
    """Update the newest of `ours`, or create a comment. Returns its URL."""
    body = {"body": f"{text}\n\n![]({WATERMARK.format(sha=sha, title=place.title)})"}
    method, path = ("PATCH", place.comment(ours[-1]["id"])) if ours else ("POST", place.comments)
    return str(api.call(method, path, body)["html_url"])
