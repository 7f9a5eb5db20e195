"""Evidence in results/monitor.json: what each check measured, the window, and the retraining request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from slipway.schema.bounds import Absent

if TYPE_CHECKING:
    from collections.abc import Iterable


class Finding(BaseModel):
    """A finding of a check; further measurements are for readers only."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    column: str
    what: str
    """The statistic."""
    score: float
    """Above 1, or NaN, is over the limit."""
    message: str = ""


class CheckEvidence(BaseModel):
    """What a check measured; further measurements are for readers only."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    missing: str = ""
    """Why the check could not run; empty if it did."""


class FindingsEvidence(CheckEvidence):
    """Evidence of a check that is judged by its findings."""

    rows: int = 0
    findings: list[Finding] = []
    """Worst first."""
    unproven: str = ""
    """Why the check proves nothing although no finding is over the limit; empty otherwise."""


class Estimate(BaseModel):
    """A metric on late labels with its confidence interval, and its value when the release was built."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    metric: str
    baseline: float | None
    """None if the release has none."""
    value: float
    low: float
    high: float
    rows: int = 0


class PerformanceEvidence(CheckEvidence):
    """Evidence of `performance` and `segments`."""

    metric: str
    """The primary metric; an estimate of the loss takes its place where it is undefined."""
    baseline: float | None
    rows: int
    all: Estimate | None = None
    segments: dict[str, Estimate] = {}


class StalenessEvidence(CheckEvidence):
    """Ages in days at the end of the window."""

    data_days: float | None
    """None without a time column."""
    model_days: float


class RetrainRequest(BaseModel):
    """Whether a retraining is requested, and why."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    requested: bool = False
    trigger: str | None
    because: str


class WindowFacts(BaseModel):
    """The monitored window: times in ISO format, and its rows."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    start: str
    end: str
    rows: int


class Collected(BaseModel):
    """The counts of one collection run."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    rows: int
    unreadable: int
    """Lines that are not prediction-log records."""
    own: int
    """Rows of Slipway's own load and smoke tests, which are excluded from traffic."""


class MonitorEvidence(BaseModel):
    """The evidence of a run; one that crashed lacks what came after."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    environment: Absent[str] = None
    release: Absent[str] = None
    window: Absent[WindowFacts] = None
    retrain: Absent[RetrainRequest] = None
    collected: Absent[Collected] = None
    checks: dict[str, SerializeAsAny[CheckEvidence]] = {}
    """By check."""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return `findings` sorted by descending score."""
    return sorted(findings, key=lambda finding: -finding.score)
