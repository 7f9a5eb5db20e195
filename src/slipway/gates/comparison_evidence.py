"""Evidence of the job `compare`: the candidate compared with the releases and the baselines on the same test rows."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from slipway.evaluation.compared import Comparison, Confusion, Decile, ExplainedRow, Residuals, RocPoint
from slipway.schema.bounds import (
    GROUPS_MAX,
    ITEMS_MAX,
    METRICS_MAX,
    Absent,
    Count,
    Evidence,
    Name,
    Number,
    Text,
    max_items,
)

Comparisons = Annotated[list[Comparison], max_items(METRICS_MAX)]
"""One comparison for each metric of the task."""


class Decision(Evidence):
    """Decision of params.yaml to release without a comparison with production."""

    by: Text
    reason: Text
    until: datetime.date
    """Last day of the decision, in UTC."""
    compared: datetime.date
    """Day of the comparison, in UTC."""

    @property
    def is_in_force(self) -> bool:
        """Whether the comparison was made before the decision expired."""
        return self.compared <= self.until


class Released(Evidence):
    """A release, with the reason where there is no comparison with it."""

    version: Name
    digest: Name | None = None
    commit: Name | None = None
    error: Absent[Text] = None
    """Why its model cannot score the test rows."""
    unreachable: Absent[Text] = None
    """Why a fork's run cannot fetch it."""
    decision: Absent[Decision] = None
    """What params.yaml decides where its model cannot score the test rows."""


class StagingRelease(Released):
    """The release in staging, with its comparison on all rows."""

    all: Comparisons = []


class Sides(Evidence):
    """A quantity of both models."""

    candidate: Count | Number
    champion: Absent[Count | Number] = None


class ReportedComparison(Evidence):
    """The evidence of the job `compare` that the report shows."""

    rows: Count
    """Test rows."""
    champion: Released | None = None
    """The release in production."""
    production: Annotated[dict[Name, Comparisons], max_items(GROUPS_MAX)] = {}
    """Comparisons with the champion by segment, and on `all` rows."""
    baselines: Annotated[dict[Name, dict[Literal["all"], Comparisons]], max_items(ITEMS_MAX)] = {}
    calibration: Annotated[list[Decile], max_items(ITEMS_MAX)] = []
    roc: Annotated[list[RocPoint], max_items(ITEMS_MAX), Field(exclude_if=lambda points: not points)] = []
    roc_by_class: Annotated[
        dict[Name, Annotated[list[RocPoint], max_items(ITEMS_MAX)]],
        max_items(ITEMS_MAX),
        Field(exclude_if=lambda curves: not curves),
    ] = {}
    """Of each class against the rest, for `multiclass`."""
    calibration_by_class: Annotated[
        dict[Name, Annotated[list[Decile], max_items(ITEMS_MAX)]],
        max_items(ITEMS_MAX),
        Field(exclude_if=lambda deciles: not deciles),
    ] = {}
    """Of the probability of each class, for `multiclass`."""
    segments: Annotated[
        dict[Name, Comparisons], max_items(GROUPS_MAX), Field(exclude_if=lambda segments: not segments)
    ] = {}
    """Comparisons with a baseline by segment, where there is no release in production to compare with."""
    residuals: Annotated[list[Residuals], max_items(ITEMS_MAX), Field(exclude_if=lambda rows: not rows)] = []
    confusion: Absent[Confusion] = None
    bytes: Absent[Sides] = None
    """Size of each model."""
    milliseconds: Absent[Sides] = None
    """Median time in which each model scores one row."""
    explained: Absent[ExplainedRow] = None
    """The test row whose prediction changes most."""
    staging: StagingRelease | None = None
    contract_changes: Annotated[list[Text], max_items(GROUPS_MAX), Field(exclude_if=lambda changes: not changes)] = []
    """What clients of production must do to use the service of the candidate."""

    @model_validator(mode="after")
    def _is_whole(self) -> ReportedComparison:
        if any("all" not in groups for groups in self.baselines.values()):
            raise ValueError("a baseline without all rows")
        if self.production and ("all" not in self.production or self.champion is None):
            raise ValueError("production without all rows or without a release")
        return self

    def comparisons(self) -> list[list[Comparison]]:
        """Return every comparison, on all rows and by segment."""
        staging = [self.staging.all] if self.staging and self.staging.all else []
        return [
            *(groups["all"] for groups in self.baselines.values()),
            *self.production.values(),
            *self.segments.values(),
            *staging,
        ]


class ComparisonEvidence(ReportedComparison):
    """All evidence of the job `compare`."""

    candidate: Absent[Name] = None
    """Hash of the model in dvc.lock."""
