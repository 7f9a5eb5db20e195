"""Evidence of the job `train`: the run of the pipeline and its metrics; and of a search for parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from slipway.dvc.files import DvcEntry
from slipway.evaluation.compared import Comparison
from slipway.schema.bounds import (
    GROUPS_MAX,
    ITEMS_MAX,
    POINTS_MAX,
    Absent,
    Count,
    Evidence,
    Name,
    Number,
    Plain,
    max_items,
)

Values = Annotated[dict[Name, Plain], max_items(ITEMS_MAX)]
"""Values by the path of their parameter in params.yaml."""


class LossPoint(Evidence):
    """A point of the loss curve."""

    iteration: Count
    rows: Literal["train", "test"]
    loss: Number


class Prepared(Evidence):
    """Row counts and periods of the training and test sets, in metrics/prepare.json."""

    rows: Annotated[dict[Name, Count], max_items(ITEMS_MAX)] = {}
    period: Annotated[dict[Name, Annotated[list[Name], max_items(2)]], max_items(ITEMS_MAX)] = {}


class Trials(Evidence):
    """Trials of a search by their end."""

    tried: Count
    failed: Count
    killed: Count


class SearchedRows(Evidence):
    """Rows and folds of a search."""

    searched: Count
    hold_out: Annotated[Count, Field(alias="apart")]
    folds: Count


class SearchRange(Evidence):
    """Range or choices of a parameter in a search."""

    low: Absent[Plain] = None
    high: Absent[Plain] = None
    log: Annotated[bool, Field(exclude_if=lambda log: not log)] = False
    choices: Annotated[list[Plain], max_items(ITEMS_MAX), Field(exclude_if=lambda choices: not choices)] = []

    @model_validator(mode="after")
    def _has_both_ends_or_choices(self) -> SearchRange:
        if not self.choices and (self.low is None or self.high is None):
            raise ValueError("a range without both ends or choices")
        return self


class ReportedSearch(Evidence):
    """A search for parameters, with its result on hold-out rows."""

    metric: Name
    trials: Trials
    rows: SearchedRows
    ranges: Annotated[dict[Name, SearchRange], max_items(ITEMS_MAX)]
    current: Values
    best: Values
    judged: Comparison


class AllTrials(Trials):
    """Trials of a search, with those of earlier runs of the same search."""

    resumed: Count = 0


class SearchEvidence(ReportedSearch):
    """All evidence of a search, in metrics/tune.json."""

    trials: AllTrials
    reasons: list[str] = []
    """Why trials failed."""
    value: Number
    """Cross-validated metric of the best trial."""


class ReportedMetrics(Evidence):
    """The metrics of the pipeline that the report shows."""

    prepare: Prepared = Prepared()
    importance: Annotated[dict[Name, Number], max_items(GROUPS_MAX)] = {}
    tune: Absent[ReportedSearch] = None


class Export(Evidence):
    """Parity of the exported model with the trained one, in metrics/export.json."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    parity: Number
    rows: Count
    derived_rows: Count = 0


class Metrics(ReportedMetrics):
    """The metrics of the pipeline by the name of their file in metrics/; a fork may add its own."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, Any]

    export: Absent[Export] = None
    evaluate: dict[str, dict[str, Number]] = {}
    """Metrics of the model and of the baselines."""
    tune: Absent[SearchEvidence] = None


class ReportedTraining(Evidence):
    """The evidence of the job `train` that the report shows."""

    stale: Annotated[list[Name], max_items(ITEMS_MAX)] = []
    """Stages whose entry in dvc.lock was out of date."""
    loss: Annotated[list[LossPoint], max_items(POINTS_MAX)] = []
    resumed: Count = 0
    """How often the training continued from a checkpoint."""
    metrics: ReportedMetrics = ReportedMetrics()


class StageFiles(Evidence):
    """Dependencies and outputs of a stage, as dvc.lock lists them."""

    deps: list[DvcEntry]
    outs: list[DvcEntry]


class TrainEvidence(ReportedTraining):
    """All evidence of the job `train`."""

    stages: dict[str, float] = {}
    """Seconds of each stage that ran."""
    commit: str
    changed_files: list[str] = []
    by: str
    """User who ran the job."""
    run: str | None = None
    """ID of the workflow run."""
    inputs_and_outputs: dict[str, StageFiles] = {}
    metrics: Metrics = Metrics()
    resources: dict[str, Any] = {}
