"""What a pull request hands to the privileged comment job: one document, each part with a model and bounds.

`submit` keeps what the report is written from and fits it into the bounds; `accept` refuses whatever it did not write.
"""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from slipway import metrics
from slipway.changes import Commit, Kind
from slipway.gates import Outcome
from slipway.report.content import ReportEvidence

TEXT_MAX = 20_000  # characters of a reason
NAME_MAX = 500  # characters of a name: of a gate, a metric, a column, a segment, a file, a parameter
COUNT_MAX = 10**12  # of any count
METRICS_MAX = 50  # of a comparison
GROUPS_MAX = 10_000  # segments, columns, parameters
FILES_MAX = 50_000  # that differ
NUMBER_MAX = 1e18  # of any number; sums and differences of two stay finite
FEW_MAX = 200  # gates of a job, baselines, jobs, deciles
POINTS_MAX = 10_000  # of a loss curve
DEPTH_MAX = 3  # lists within lists in a parameter
CUT = "…"

Text = Annotated[str, Field(max_length=TEXT_MAX)]
Name = Annotated[str, Field(max_length=NAME_MAX)]
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
Finite = Annotated[float, Field(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Number = Finite | None
"""Null where it is undefined: JSON has no NaN."""


def _plain(value: Any, depth: int = 0) -> Any:
    """Check a value of params.yaml: text, a number, a boolean, nothing, or a short list of these."""
    if isinstance(value, list) and len(value) <= FEW_MAX and depth < DEPTH_MAX:
        return [_plain(part, depth + 1) for part in value]
    if isinstance(value, dict) and len(value) <= FEW_MAX and depth < DEPTH_MAX:
        return {_plain(key, depth + 1): _plain(part, depth + 1) for key, part in value.items()}
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= NAME_MAX):
        return value
    if isinstance(value, int | float) and abs(value) <= NUMBER_MAX:
        return value
    raise ValueError("not a value of a parameter")


Plain = Annotated[Any, AfterValidator(_plain)]
Pairs = Annotated[dict[Name, tuple[Plain, Plain]], Field(max_length=GROUPS_MAX)]


class _Part(BaseModel):
    """A part of the document: nothing but what is listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Part):
    """An estimate with its bounds."""

    value: Number
    low: Number
    high: Number


class Compared(_Part):
    """One metric of the candidate and of what it is compared with, on the same rows."""

    metric: Name
    rows: Count
    candidate: Interval
    champion: Interval
    gain: Interval


Comparison = Annotated[list[Compared], Field(max_length=METRICS_MAX)]


class Released(_Part):
    """A release that the candidate is compared with, or the reason why it is not."""

    version: Name
    digest: Name | None = None
    commit: Name | None = None
    error: Text | None = None
    unreachable: Text | None = None
    all: Comparison = []


class Decile(_Part):
    """Mean prediction and mean outcome of a tenth of the rows."""

    predicted: Finite
    observed: Finite


class CompareEvidence(_Part):
    """What `compare` measures."""

    rows: Count = 0
    champion: Released | None = None
    production: Annotated[dict[Name, Comparison], Field(max_length=GROUPS_MAX)] = {}
    baselines: Annotated[dict[Name, dict[Literal["all"], Comparison]], Field(max_length=FEW_MAX)] = {}
    calibration: Annotated[list[Decile], Field(max_length=FEW_MAX)] = []
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
        """Every comparison, of all rows and of segments."""
        groups = [group["all"] for group in self.baselines.values()]
        return [*groups, *self.production.values(), *([self.staging.all] if self.staging and self.staging.all else [])]


class LossPoint(_Part):
    """A point of the loss curve."""

    iteration: Count
    rows: Literal["train", "test"]
    loss: Finite


class Prepared(_Part):
    """Rows and periods of the sets."""

    rows: Annotated[dict[Name, Count], Field(max_length=FEW_MAX)] = {}
    period: Annotated[dict[Name, Annotated[list[Name], Field(max_length=2)]], Field(max_length=FEW_MAX)] = {}


class Trials(_Part):
    """How many sets of parameters a search tried."""

    tried: Count
    failed: Count
    killed: Count


class Searched(_Part):
    """Rows of a search."""

    searched: Count
    apart: Count
    folds: Count


class Range(_Part):
    """What a search may choose for a parameter."""

    low: Plain = None
    high: Plain = None
    log: bool = False
    choices: Annotated[list[Plain], Field(max_length=FEW_MAX)] = []

    @model_validator(mode="after")
    def _has_both_ends_or_choices(self) -> Range:
        if "choices" not in self.model_fields_set and not {"low", "high"} <= self.model_fields_set:
            raise ValueError("a range without its ends")
        return self


class Search(_Part):
    """A search for parameters."""

    metric: Name
    trials: Trials
    rows: Searched
    ranges: Annotated[dict[Name, Range], Field(max_length=FEW_MAX)]
    current: Annotated[dict[Name, Plain], Field(max_length=FEW_MAX)]
    best: Annotated[dict[Name, Plain], Field(max_length=FEW_MAX)]
    judged: Compared


class Measured(_Part):
    """Metrics files of the pipeline that the report reads."""

    prepare: Prepared = Prepared()
    importance: Annotated[dict[Name, Finite], Field(max_length=GROUPS_MAX)] = {}
    tune: Search | None = None


class TrainEvidence(_Part):
    """What `train` leaves for the report."""

    stale: Annotated[list[Name], Field(max_length=FEW_MAX)] = []
    loss: Annotated[list[LossPoint], Field(max_length=POINTS_MAX)] = []
    metrics: Measured = Measured()


class Nothing(_Part):
    """Of a job whose evidence the report does not read."""


class Gate(_Part):
    """A verdict."""

    gate: Name
    outcome: Outcome
    threshold: Text
    observed: Text
    reason: Text = ""


class _Job(_Part):
    job: Name
    started: AwareDatetime
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    verdicts: Annotated[list[Gate], Field(max_length=FEW_MAX)] = []
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
    """Results by job; one that is missing left none."""

    data: DataJob | None = None
    train: TrainJob | None = None
    compare: CompareJob | None = None
    test: TestJob | None = None
    lint: LintJob | None = None


class Changed(_Part):
    """What the pull request changes."""

    base: Commit | None
    head: Commit | None
    parameters: Pairs = {}
    data: Pairs = {}
    files: Annotated[list[Text], Field(max_length=FILES_MAX)] = []
    kinds: Annotated[dict[Text, Kind], Field(max_length=FILES_MAX)] = {}
    renamed: Annotated[dict[Text, Text], Field(max_length=FILES_MAX)] = {}
    base_rows: Annotated[dict[Name, Count], Field(max_length=FEW_MAX)] = {}
    problems: Annotated[list[Text], Field(max_length=FEW_MAX)] = []


class Column(_Part):
    """A column of `Row`."""

    name: Name
    description: Text
    unit: Name


class Card(_Part):
    """The model card: purpose, target and columns of the problem."""

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
    statuses: Annotated[dict[Name, Name], Field(max_length=FEW_MAX)]

    @model_validator(mode="after")
    def _metrics_are_of_the_task(self) -> Submitted:
        """Each comparison has each of its metrics once, the primary one among them, and all are of the task."""
        known = metrics.for_task(self.task)
        if self.primary not in known:
            raise ValueError("the primary metric is not of the task")
        for comparison in self.results.compare.evidence.comparisons() if self.results.compare else []:
            names = [row.metric for row in comparison]
            if len(set(names)) < len(names) or self.primary not in names or not known.keys() >= set(names):
                raise ValueError("a comparison without the primary metric, or with one that is not of the task")
        return self


def accept(document: bytes) -> ReportEvidence:
    """Return the evidence in `document`, which may hold anything. Raises ValidationError unless all has its shape."""
    content = Submitted.model_validate_json(document).model_dump(exclude_unset=True)
    content["results"] = {job: result for job, result in content["results"].items() if result is not None}
    return ReportEvidence.model_validate(content)


def submit(evidence: ReportEvidence) -> str:
    """Return the document for `accept`: what the report is written from, with strings cut to the bounds."""
    return json.dumps(_fit(Submitted, json.loads(evidence.model_dump_json())), indent=2) + "\n"


def _fit(kind: Any, value: Any) -> Any:
    """Drop what `kind`, an annotation, does not list, and cut strings that are longer than it allows."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _cut(_fit(parts[0], value), _length_max(parts[1:]))
    if origin in (Union, UnionType):
        return None if value is None else _fit(next(part for part in parts if part is not NoneType), value)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, _Part):
        hints = get_type_hints(kind, include_extras=True)
        return {name: _fit(hints[name], part) for name, part in value.items() if name in hints}
    if isinstance(value, dict) and origin is dict:
        return {_fit(parts[0], name): _fit(parts[1], part) for name, part in value.items()}
    if isinstance(value, list) and origin in (list, tuple):
        return [_fit(parts[0], part) for part in value]
    return _cut(value, NAME_MAX) if kind is Any else value


def _cut(value: Any, length_max: int) -> Any:
    too_long = isinstance(value, str) and len(value) > length_max
    return value[: length_max - len(CUT)] + CUT if too_long else value


def _length_max(notes: tuple[Any, ...]) -> int:
    """The length that an annotation's notes allow; that of a name where they allow any."""
    bounds = [bound for note in notes if isinstance(note, FieldInfo) for bound in note.metadata]
    return next((bound.max_length for bound in bounds if hasattr(bound, "max_length")), NAME_MAX)
