"""Inputs of the report on a pull request, which the comment job validates."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from slipway.evaluation import metrics
from slipway.evaluation.segments import ALL
from slipway.gates.comparison_evidence import ReportedComparison
from slipway.gates.training_evidence import ReportedTraining
from slipway.git.changes import Changes
from slipway.results import JobResult
from slipway.schema.bounds import GROUPS_MAX, ITEMS_MAX, Bounds, Count, Evidence, Maybe, Name, Number, Text, max_items
from slipway.schema.fields import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.evaluation.compared import Comparison

RUNNING = "running"
"""Status of a job whose run has not ended, so that its result is still to come."""


class Column(BaseModel):
    """A column of `Row` with its description and unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: Name
    description: Text
    unit: Name


class Card(BaseModel):
    """The model card's text: what its author states about the model and its inputs."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    purpose: Text
    """Purpose, data and limits of the model; an empty line separates paragraphs."""
    target: Name
    columns: Annotated[list[Column], max_items(GROUPS_MAX)]

    @classmethod
    def of(cls, docstring: str, target: str, row: type[BaseModel]) -> Card:
        """Return the text in the docstring of the package `problem`, and the fields of `row`."""
        paragraphs = inspect.cleandoc(docstring).split("\n\n")
        purpose = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        columns = [
            Column(name=field.name, description=field.description, unit=field.unit) for field in fields(row).values()
        ]
        return cls(purpose=purpose, target=target, columns=columns)


class JobResults(BaseModel):
    """The result of each job of a pull request, the most informative first; a missing one is a failure."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    data: JobResult[Maybe[Evidence]] | None = None
    train: JobResult[Maybe[ReportedTraining]] | None = None
    compare: JobResult[Maybe[ReportedComparison]] | None = None
    test: JobResult[Maybe[Evidence]] | None = None
    lint: JobResult[Maybe[Evidence]] | None = None

    @model_serializer(mode="wrap")
    def _without_missing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {job: result for job, result in serialize(self).items() if result is not None}

    @property
    def jobs(self) -> list[str]:
        """The jobs that wrote a result."""
        return [job for job in JOBS if self.of(job)]

    def of(self, job: str) -> JobResult[Any] | None:
        """Return the result of `job`, if any."""
        result: JobResult[Any] | None = getattr(self, job)
        return result


JOBS = tuple(JobResults.model_fields)
"""Jobs of a pull request that must write a result."""


class Margins(BaseModel):
    """What the gates accept, and what the report regards as noise."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    all: Number
    """Loss of the primary metric on all rows."""
    segment: Number
    """The same in one segment."""
    segment_rows: Count = 0
    """Rows below which a segment is not judged."""
    latency_noise: Number = 1.0
    """Ratio of the latencies of two models that noise alone reaches."""


class ReportEvidence(BaseModel):
    """All inputs of the report."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    results: JobResults
    changes: Changes
    task: Literal["binary", "multiclass", "regression"]
    primary: Name
    card: Card
    statuses: Annotated[dict[Name, Name], max_items(ITEMS_MAX)]
    """Status of each job as GitHub reports it; empty outside of a workflow."""
    outdated: Annotated[dict[Name, Text], max_items(ITEMS_MAX), Field(exclude_if=lambda reasons: not reasons)] = {}
    """Why a result does not count, by job: it was made from other files."""
    margins: Annotated[Margins | None, Field(exclude_if=lambda margins: margins is None)] = None

    @model_validator(mode="after")
    def _metrics_are_of_the_task(self, info: ValidationInfo) -> ReportEvidence:
        """Require that untrusted comparisons have only metrics of the task, each once, among them the primary one."""
        if info.context is not Bounds.REJECT:
            return self
        allowed = metrics.for_task(self.task)
        if self.primary not in allowed:
            raise ValueError("the task does not have the primary metric")
        for comparison in self.compared.comparisons() if self.compared else []:
            names = [row.metric for row in comparison]
            if len(set(names)) < len(names) or self.primary not in names or not allowed.keys() >= set(names):
                raise ValueError("a comparison lacks the primary metric, or has one that the task does not have")
        return self

    @property
    def compared(self) -> ReportedComparison | None:
        """The evidence of `compare`; None where it measured nothing."""
        return self.results.compare.evidence if self.results.compare else None

    @property
    def trained(self) -> ReportedTraining:
        """The evidence of `train`; empty where it measured nothing."""
        return (self.results.train and self.results.train.evidence) or ReportedTraining()

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons with one baseline on all rows, for the candidate's metrics; empty where there are none."""
        baselines = self.compared.baselines.values() if self.compared else ()
        return next((groups[ALL] for groups in baselines), [])

    @property
    def production(self) -> Mapping[str, list[Comparison]]:
        """The comparisons with production by group; empty where there are none."""
        return self.compared.production if self.compared else {}
