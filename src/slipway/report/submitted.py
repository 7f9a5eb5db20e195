"""Schema of the evidence that a pull request submits to the privileged comment job: bounded models, nothing else.

`submit` writes the document: it drops what the report does not read, and cuts strings to the bounds. `accept` validates
the document, and rejects any that `submit` could not have written.
"""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from slipway.evaluation import metrics
from slipway.gates import Outcome
from slipway.git.changes import Commit, Kind
from slipway.report.content import ReportEvidence

TEXT_CHARACTERS_MAX = 20_000  # of a reason
NAME_CHARACTERS_MAX = 500  # of a gate, metric, column, segment, file or parameter
COUNT_MAX = 10**12
METRICS_MAX = 50  # of a comparison
GROUPS_MAX = 10_000  # segments, columns, parameters
FILES_MAX = 50_000  # in a diff
NUMBER_MAX = 1e18  # sums and differences of two such numbers are finite
ITEMS_MAX = 200  # gates of a job, baselines, jobs, deciles
POINTS_MAX = 10_000  # of a loss curve
DEPTH_MAX = 3  # of nested lists in a parameter
ELLIPSIS = "…"

Text = Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]
Name = Annotated[str, Field(max_length=NAME_CHARACTERS_MAX)]
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
Finite = Annotated[float, Field(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Number = Finite | None
"""A number, or null where it is undefined, since JSON has no NaN."""


def _plain(value: Any, depth: int = 0) -> Any:
    """Validate a value of params.yaml: a string, number, boolean, null, or a short list or mapping of these."""
    if isinstance(value, list) and len(value) <= ITEMS_MAX and depth < DEPTH_MAX:
        return [_plain(part, depth + 1) for part in value]
    if isinstance(value, dict) and len(value) <= ITEMS_MAX and depth < DEPTH_MAX:
        return {_plain(key, depth + 1): _plain(part, depth + 1) for key, part in value.items()}
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= NAME_CHARACTERS_MAX):
        return value
    if isinstance(value, int | float) and abs(value) <= NUMBER_MAX:
        return value
    raise ValueError("not a parameter value")


Plain = Annotated[Any, AfterValidator(_plain)]
Pairs = Annotated[dict[Name, tuple[Plain, Plain]], Field(max_length=GROUPS_MAX)]


class _Part(BaseModel):
    """A part of the document, without any other key."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Part):
    """An estimate with its percentile interval."""

    value: Number
    low: Number
    high: Number


class Compared(_Part):
    """One metric of the candidate and of another model on the same rows."""

    metric: Name
    rows: Count
    candidate: Interval
    champion: Interval
    gain: Interval


Comparison = Annotated[list[Compared], Field(max_length=METRICS_MAX)]


class Released(_Part):
    """A release, with its comparison or the reason why there is none."""

    version: Name
    digest: Name | None = None
    commit: Name | None = None
    error: Text | None = None
    unreachable: Text | None = None
    all: Comparison = []


class Decile(_Part):
    """Mean prediction and mean outcome of one decile of the rows."""

    predicted: Finite
    observed: Finite


class CompareEvidence(_Part):
    """Evidence of the job `compare`."""

    rows: Count = 0
    champion: Released | None = None
    production: Annotated[dict[Name, Comparison], Field(max_length=GROUPS_MAX)] = {}
    baselines: Annotated[dict[Name, dict[Literal["all"], Comparison]], Field(max_length=ITEMS_MAX)] = {}
    calibration: Annotated[list[Decile], Field(max_length=ITEMS_MAX)] = []
    staging: Released | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> CompareEvidence:
        if any("all" not in group for group in self.baselines.values()):
            raise ValueError("a baseline without all rows")
        if self.baselines and "rows" not in self.model_fields_set:
            raise ValueError("baselines without the number of rows")
        if self.production and ("all" not in self.production or self.champion is None):
            raise ValueError("production without all rows or without a release")
        return self

    def comparisons(self) -> list[list[Compared]]:
        """Return every comparison, over all rows and by segment."""
        groups = [group["all"] for group in self.baselines.values()]
        return [*groups, *self.production.values(), *([self.staging.all] if self.staging and self.staging.all else [])]


class LossPoint(_Part):
    """A point of the loss curve."""

    iteration: Count
    rows: Literal["train", "test"]
    loss: Finite


class Prepared(_Part):
    """Row counts and periods of the training and test sets."""

    rows: Annotated[dict[Name, Count], Field(max_length=ITEMS_MAX)] = {}
    period: Annotated[dict[Name, Annotated[list[Name], Field(max_length=2)]], Field(max_length=ITEMS_MAX)] = {}


class Trials(_Part):
    """Trials of a search by their end."""

    tried: Count
    failed: Count
    killed: Count


class Searched(_Part):
    """Rows and folds of a search."""

    searched: Count
    hold_out: Annotated[Count, Field(alias="apart")]
    folds: Count


class Range(_Part):
    """Range or choices of a parameter in a search."""

    low: Plain = None
    high: Plain = None
    log: bool = False
    choices: Annotated[list[Plain], Field(max_length=ITEMS_MAX)] = []

    @model_validator(mode="after")
    def _has_both_ends_or_choices(self) -> Range:
        if "choices" not in self.model_fields_set and not {"low", "high"} <= self.model_fields_set:
            raise ValueError("a range without both ends or choices")
        return self


class Search(_Part):
    """A search for parameters, with its result on hold-out rows."""

    metric: Name
    trials: Trials
    rows: Searched
    ranges: Annotated[dict[Name, Range], Field(max_length=ITEMS_MAX)]
    current: Annotated[dict[Name, Plain], Field(max_length=ITEMS_MAX)]
    best: Annotated[dict[Name, Plain], Field(max_length=ITEMS_MAX)]
    judged: Compared


class Measured(_Part):
    """Metrics of the pipeline that the report reads."""

    prepare: Prepared = Prepared()
    importance: Annotated[dict[Name, Finite], Field(max_length=GROUPS_MAX)] = {}
    tune: Search | None = None


class TrainEvidence(_Part):
    """Evidence of the job `train`."""

    stale: Annotated[list[Name], Field(max_length=ITEMS_MAX)] = []
    loss: Annotated[list[LossPoint], Field(max_length=POINTS_MAX)] = []
    metrics: Measured = Measured()


class Nothing(_Part):
    """Empty evidence, of a job whose evidence the report does not read."""


class Gate(_Part):
    """Verdict of a gate."""

    gate: Name
    outcome: Outcome
    threshold: Text
    observed: Text
    reason: Text = ""


class _Job(_Part):
    job: Name
    started: AwareDatetime
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    verdicts: Annotated[list[Gate], Field(max_length=ITEMS_MAX)] = []
    error: Text | None = None


class DataJob(_Job):
    """Result of the job `data`."""

    evidence: Nothing = Nothing()


class TestJob(_Job):
    """Result of the job `test`."""

    evidence: Nothing = Nothing()


class LintJob(_Job):
    """Result of the job `lint`."""

    evidence: Nothing = Nothing()


class TrainJob(_Job):
    """Result of the job `train`."""

    evidence: TrainEvidence = TrainEvidence()


class CompareJob(_Job):
    """Result of the job `compare`."""

    evidence: CompareEvidence = CompareEvidence()


class Results(_Part):
    """Results by job; null for a job without a result."""

    data: DataJob | None = None
    train: TrainJob | None = None
    compare: CompareJob | None = None
    test: TestJob | None = None
    lint: LintJob | None = None


class Changed(_Part):
    """Changes of the pull request."""

    base: Commit | None
    head: Commit | None
    parameters: Pairs = {}
    data: Pairs = {}
    files: Annotated[list[Text], Field(max_length=FILES_MAX)] = []
    kinds: Annotated[dict[Text, Kind], Field(max_length=FILES_MAX)] = {}
    renamed: Annotated[dict[Text, Text], Field(max_length=FILES_MAX)] = {}
    base_rows: Annotated[dict[Name, Count], Field(max_length=ITEMS_MAX)] = {}
    problems: Annotated[list[Text], Field(max_length=ITEMS_MAX)] = []


class Column(_Part):
    """A column of `Row`."""

    name: Name
    description: Text
    unit: Name


class Card(_Part):
    """Text of the model card: purpose, target and inputs."""

    purpose: Text
    target: Name
    columns: Annotated[list[Column], Field(max_length=GROUPS_MAX)]


class Submitted(_Part):
    """The whole document."""

    results: Results
    changes: Changed
    task: Literal["binary", "multiclass", "regression"]
    primary: Name
    card: Card
    statuses: Annotated[dict[Name, Name], Field(max_length=ITEMS_MAX)]

    @model_validator(mode="after")
    def _metrics_are_of_the_task(self) -> Submitted:
        """Require that every comparison has only metrics of the task, each once, among them the primary one."""
        allowed = metrics.for_task(self.task)
        if self.primary not in allowed:
            raise ValueError("the task does not have the primary metric")
        for comparison in self.results.compare.evidence.comparisons() if self.results.compare else []:
            names = [row.metric for row in comparison]
            if len(set(names)) < len(names) or self.primary not in names or not allowed.keys() >= set(names):
                raise ValueError("a comparison lacks the primary metric, or has one that the task does not have")
        return self


def accept(document: bytes) -> ReportEvidence:
    """Return the evidence in `document`, which is untrusted. Raises ValidationError unless it matches the schema."""
    content = Submitted.model_validate_json(document).model_dump(exclude_unset=True, by_alias=True)
    content["results"] = {job: result for job, result in content["results"].items() if result is not None}
    return ReportEvidence.model_validate(content)


def submit(evidence: ReportEvidence) -> str:
    """Return the document for `accept`: the evidence that the report reads, with strings cut to the bounds."""
    return json.dumps(_fit(Submitted, json.loads(evidence.model_dump_json())), indent=2) + "\n"


def _fit(kind: Any, value: Any) -> Any:
    """Fit `value` to `kind`, an annotation: drop keys that it does not list, and cut strings to its maximum length."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _cut(_fit(parts[0], value), _length_max(parts[1:]))
    if origin in (Union, UnionType):
        return None if value is None else _fit(next(part for part in parts if part is not NoneType), value)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, _Part):
        hints = get_type_hints(kind, include_extras=True)
        keys = {field.alias or name: hints[name] for name, field in kind.model_fields.items()}
        return {key: _fit(keys[key], part) for key, part in value.items() if key in keys}
    if isinstance(value, dict) and origin is dict:
        return {_fit(parts[0], name): _fit(parts[1], part) for name, part in value.items()}
    if isinstance(value, list) and origin in (list, tuple):
        return [_fit(parts[0], part) for part in value]
    return _cut(value, NAME_CHARACTERS_MAX) if kind is Any else value


def _cut(value: Any, length_max: int) -> Any:
    too_long = isinstance(value, str) and len(value) > length_max
    return value[: length_max - len(ELLIPSIS)] + ELLIPSIS if too_long else value


def _length_max(metadata: tuple[Any, ...]) -> int:
    """Return the maximum length in an annotation's metadata; that of a name if there is none."""
    bounds = [bound for field in metadata if isinstance(field, FieldInfo) for bound in field.metadata]
    return next((bound.max_length for bound in bounds if hasattr(bound, "max_length")), NAME_CHARACTERS_MAX)
