"""Evidence of the stage `data`, in metrics/data.json: the files, their findings, and the outcome of the suites."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, PlainSerializer

from slipway.schema.bounds import Absent, Evidence, Maybe, Number

Moment = Annotated[AwareDatetime, PlainSerializer(datetime.isoformat, when_used="json")]


class Example(Evidence):
    """A value that breaks a rule; `row` counts from 0 within the file."""

    row: int
    value: Any


class BrokenRule(Evidence):
    """A broken rule of one column."""

    column: str
    kind: str
    rule: str
    count: int
    examples: list[Example] = []


class FileRecord(Evidence):
    """Content and findings of one file."""

    file: str
    sha256: str
    rules: str
    """Hash of the rules under which the file was checked."""
    rows: int
    unlabelled: Absent[int] = None
    """Rows without a label; None where the file cannot be read."""
    duplicates: Absent[int] = None
    first: Absent[Moment] = None
    """First time in the file; None without a time column, or where it has no valid time."""
    last: Absent[Moment] = None
    clock: Absent[str] = None
    findings: list[BrokenRule] = []


class CheckOutcome(Evidence):
    """Outcome of a condition of one check in a suite."""

    check: str
    condition: str
    outcome: str
    """`pass`, `fail` or `not run`."""
    observed: str


class Finding(Evidence):
    """A column that is outside what windows of the reference let expect."""

    check: str
    column: str
    segment: str
    """`all`, or the segment that deviates most."""
    statistic: str
    score: Number
    """Deviation from the windows, in units of the accepted one; above 1 is a finding."""
    sentence: str
    cause: Absent[str] = None
    """A guess, where the values show the cause."""
    expected: Absent[str] = None
    """Distribution that was expected, as bars from the lowest to the highest value."""
    observed: Absent[str] = None


class SuiteEvidence(Evidence):
    """Outcome of the suites on a sample of the new rows and a sample of the older ones."""

    error: Absent[str] = None
    """Why the suite of deepchecks did not run."""
    checks: list[CheckOutcome] = []
    findings: Absent[list[Finding]] = None
    """Findings of the learned checks, worst first."""
    drift: Absent[dict[str, Number]] = None
    """Drift score of each column, largest first."""
    rows: Absent[dict[str, int]] = None
    """Rows of each sample."""


class DataEvidence(Evidence):
    """All evidence of the stage `data`."""

    files: list[FileRecord] = []
    new: list[str] = []
    reference: list[str] = []
    suites: Maybe[SuiteEvidence] = None
    accepted: list[str] = []
    """SHA-256 of every file that passed."""
    accepted_files: dict[str, str] | None = None
    """The same by name; None in evidence of an earlier version."""
