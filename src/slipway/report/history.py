"""Earlier verdicts on a pull request: a line and a collapsed table below the report, and the record in the comment.

The comment itself keeps the record, in an HTML comment that GitHub does not show. Nothing else has to be stored.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from slipway import figures
from slipway.report.document import Code, Details, Link, Table, paragraph
from slipway.schema.bounds import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.report.document import Document

RUNS_MAX = 10
TITLE_CHARACTERS_MAX = 120
CHARACTERS_MAX = 13_000  # of the line, the table and the record together
RECORD = re.compile(r"<!-- slipway-history ([A-Za-z0-9+/=]{1,9000}) -->")


class PastVerdict(Evidence):
    """The verdict on a commit of the branch."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    title: Annotated[str, Field(max_length=TITLE_CHARACTERS_MAX)]
    run: Annotated[str, Field(pattern=r"^\d{1,20}$")]
    """Number of the workflow run."""

    @property
    def symbol(self) -> str:
        """The symbol with which the title begins."""
        return self.title.split(" ", 1)[0]


VERDICTS = TypeAdapter(Annotated[list[PastVerdict], Field(max_length=RUNS_MAX)])


def read(body: str) -> list[PastVerdict]:
    """Return the verdicts that a comment records, oldest first; none where its record is missing or invalid."""
    match = RECORD.search(body)
    try:
        return VERDICTS.validate_json(base64.b64decode(match[1], validate=True)) if match else []
    except (ValidationError, ValueError):
        return []


def with_verdict(verdicts: Sequence[PastVerdict], sha: str, title: str, run: str) -> list[PastVerdict]:
    """Return the newest verdicts with that on `sha`, which replaces an earlier one on the same commit."""
    newest = PastVerdict(sha=sha, title=figures.shorten(title, TITLE_CHARACTERS_MAX), run=run)
    return [*(verdict for verdict in verdicts if verdict.sha != sha), newest][-RUNS_MAX:]


def record(verdicts: Sequence[PastVerdict]) -> str:
    """Return the HTML comment that `read` reads."""
    return f"<!-- slipway-history {base64.b64encode(VERDICTS.dump_json([*verdicts])).decode()} -->"


def section(verdicts: Sequence[PastVerdict], runs: str) -> Document:
    """Return the line of verdicts and the earlier ones, collapsed. Empty if there is only the current one.

    runs: address of the repository's workflow runs.
    """
    if len(verdicts) < 2:
        return []
    earlier = [
        (Code(verdict.sha[:8]), verdict.title, Link(f"run {verdict.run}", f"{runs}/{verdict.run}"))
        for verdict in reversed(verdicts[:-1])
    ]
    return [
        paragraph(f"Last {len(verdicts)} commits with a verdict, newest last: {' '.join(v.symbol for v in verdicts)}"),
        Details(f"Earlier verdicts ({len(earlier)})", (Table(("Commit", "Verdict", "Run"), earlier),)),
    ]
