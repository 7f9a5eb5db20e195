"""Results of jobs: each job writes one JSON file, `results/<job>.json`, and the report is rendered from these files.

The evidence of a job is a model of the package that measures it; `Subject` is the part that all have in common. A
result names the work tree that it was made from, and counts for that tree only.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, cast, overload

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypeVar

from slipway import output
from slipway.errors import GateError, SettingError, UnreadableFileError, UserError
from slipway.files import write_text
from slipway.gates import Outcome, Verdict, overall
from slipway.gates.comparison_evidence import ComparisonEvidence
from slipway.gates.data_evidence import DataEvidence
from slipway.gates.monitoring_evidence import MonitorEvidence
from slipway.gates.training_evidence import SearchEvidence, TrainEvidence
from slipway.gates.user_experiment import ExperimentEvidence
from slipway.git import source_tree
from slipway.git.source_tree import SourceTree
from slipway.schema.bounds import ITEMS_MAX, SECONDS_MAX, Absent, Evidence, Maybe, Name, Text, max_items
from slipway.settings.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

RESULTS = Path("results")
DOCUMENTATION_ONLY = "only documentation"
"""Observed value of a job that does not run because only documentation changes."""
WRITTEN = ("dvc.lock", "metrics", "results")
"""Paths that the pipeline and the jobs write, so the jobs of one commit may find them in different states."""
VALUE_CHARACTERS_MAX = 60  # of an invalid value in a message

M = TypeVar("M", bound=BaseModel)


class Subject(BaseModel):
    """What a job is about: all evidence of a job without measurements. Keys of other evidence are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    environment: Absent[str] = None
    release: Absent[str] = None
    """Version, such as `v0.1.0`."""
    digest: Absent[str] = None
    """Digest of the release, `sha256:` and 64 digits."""


E = TypeVar("E", default=Subject)


class JobResult(BaseModel, Generic[E]):
    """The machine-readable result of a job: its verdicts and the evidence for them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    job: Name
    started: AwareDatetime
    source: Absent[SourceTree] = None
    """The work tree when the job started; None outside of a repository."""
    seconds: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = 0.0
    verdicts: Annotated[list[Verdict], max_items(ITEMS_MAX)] = []
    evidence: E = Field(default=cast("E", {}), validate_default=True)
    error: Text | None = None
    """First line of the exception when the job crashed before its gates ran."""

    @property
    def outcome(self) -> Outcome:
        """Return the overall outcome of the gates; a job that crashed has failed."""
        return Outcome.FAIL if self.error else overall(self.verdicts)

    @property
    def release(self) -> str | None:
        """Return the release that the evidence is about, if any."""
        return getattr(self.evidence, "release", None)

    @property
    def environment(self) -> str | None:
        """Return the environment that the evidence is about, if any."""
        return getattr(self.evidence, "environment", None)

    def print_verdicts(self) -> None:
        """Print one line per gate."""
        for verdict in self.verdicts:
            output.step(f"{verdict.gate}: {verdict.outcome}: {verdict.reason or verdict.observed}")

    def require(self) -> None:
        """Raise UserError naming the blocking gates, unless every gate passed."""
        if self.outcome is not Outcome.PASS:
            blocking = (verdict for verdict in self.verdicts if verdict.outcome is not Outcome.PASS)
            blockers = "; ".join(f"{gate.gate} {gate.outcome}: {gate.reason or gate.observed}" for gate in blocking)
            raise GateError(f"{self.job}: blocked by {blockers or 'missing verdicts: no gate ran'}")


class TestEvidence(Evidence):
    """Evidence of the job `test`."""

    exit_code: int
    """Exit code of pytest."""
    cases: int
    """Tests, without those that record a verdict."""


class LintEvidence(Evidence):
    """Evidence of the job `lint`: the last lines of each linter's output, by the linter's name."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    __pydantic_extra__: dict[str, list[str]]


@dataclass(frozen=True)
class Job(Generic[E]):
    """A job whose evidence is a model."""

    name: str
    result: type[JobResult[E]]


DATA: Final = Job("data", JobResult[Maybe[DataEvidence]])
TRAIN: Final = Job("train", JobResult[Maybe[TrainEvidence]])
COMPARE: Final = Job("compare", JobResult[Maybe[ComparisonEvidence]])
TEST: Final = Job("test", JobResult[Maybe[TestEvidence]])
LINT: Final = Job("lint", JobResult[Maybe[LintEvidence]])
TUNE: Final = Job("tune", JobResult[Maybe[SearchEvidence]])
MONITOR: Final = Job("monitor", JobResult[MonitorEvidence])
EXPERIMENT: Final = Job("experiment", JobResult[Maybe[ExperimentEvidence]])
JOBS: Final[dict[str, Job[Any]]] = {
    job.name: job for job in (DATA, TRAIN, COMPARE, TEST, LINT, TUNE, MONITOR, EXPERIMENT)
}


@overload
def recorded(job: Job[E], directory: Path = RESULTS) -> AbstractContextManager[JobResult[E]]: ...
@overload
def recorded(job: str, directory: Path = RESULTS) -> AbstractContextManager[JobResult]: ...
def recorded(job: Job[Any] | str, directory: Path = RESULTS) -> AbstractContextManager[JobResult[Any]]:
    """Yield a result to fill in and write it however the block ends. A crash is recorded and re-raised."""
    name, kind = (job, JobResult) if isinstance(job, str) else (job.name, job.result)
    return _written(kind(job=name, started=datetime.now(UTC), source=source(directory.parent)), directory)


@contextmanager
def _written(result: JobResult[Any], directory: Path) -> Iterator[JobResult[Any]]:
    start = time.monotonic()
    try:
        yield result
    except BaseException as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        result.error = f"{kind}{error}".splitlines()[0] if str(error) else type(error).__name__
        raise
    finally:
        result.seconds = round(time.monotonic() - start, 2)
        output.record(result)
        write_text(directory / f"{result.job}.json", result.model_dump_json(indent=2, by_alias=True) + "\n")


def source(folder: Path = Path()) -> SourceTree | None:
    """Return the work tree in `folder` without what the pipeline writes; None outside of a repository."""
    return source_tree.read(folder, WRITTEN)


def is_of(tree: SourceTree | None, other: SourceTree | None) -> bool:
    """Return whether two work trees have the same files, in one commit or in several."""
    return (tree and tree.content) == (other and other.content)


class _Need(BaseModel):
    """A job in GitHub's context `needs`."""

    model_config = ConfigDict(defer_build=True)

    result: str


def job_statuses(needs: str) -> dict[str, str]:
    """Return the status of each job in `needs`, the JSON of GitHub's `toJSON(needs)`; none if it is empty.

    Raises UserError for JSON of another form.
    """
    try:
        jobs = TypeAdapter(dict[str, _Need]).validate_json(needs or "{}")
    except ValidationError:
        reason = "not a result of each job; set it to GitHub's `toJSON(needs)`"
        raise SettingError(f"NEEDS: {needs[:40]!r}: {reason}") from None
    return {job: need.result for job, need in jobs.items()}


def read_evidence(model: type[M], content: Mapping[str, Any], where: str) -> M:
    """Return the evidence of a job as its model. Raises UserError with `where`, the key, and what is allowed."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise GateError(f"{where}: {explain(error, model, 'evidence')}") from None


def read(directory: Path = RESULTS) -> dict[str, JobResult[Any]]:
    """Return every result in `directory`, by job name. Raises UserError for a file of another form."""
    return {
        file.stem: _parsed(file, JOBS[file.stem].result if file.stem in JOBS else JobResult)
        for file in sorted(directory.glob("*.json"))
    }


def find(job: Job[E], directory: Path = RESULTS) -> JobResult[E] | None:
    """Return the result of `job` in `directory`; None if there is none. Raises UserError for a file of another form."""
    file = directory / f"{job.name}.json"
    return _parsed(file, job.result) if file.exists() else None


def comparison_of(
    model: str, root: Path = Path()
) -> tuple[JobResult[Maybe[ComparisonEvidence]], ComparisonEvidence] | None:
    """Return the result of `compare` in `root` and its evidence; None unless it judged the model with digest `model`.

    Raises UserError for a file of another form.
    """
    compared = find(COMPARE, root / RESULTS)
    if compared is None or compared.evidence is None or compared.evidence.candidate != model:
        return None
    return compared, compared.evidence


def _parsed(file: Path, kind: type[JobResult[E]]) -> JobResult[E]:
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise UnreadableFileError(invalid(file, error)) from None


def invalid(file: Path, error: ValidationError) -> str:
    """Return one line that names the file, the key and the value that `error` rejects."""
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"])) or "content"
    value = " ".join(repr(first["input"]).split())[:VALUE_CHARACTERS_MAX]
    return f"{file}: {key}: {value}: {first['msg']}; run the step that writes it again"
