"""Results of jobs: each job writes one JSON file, `results/<job>.json`, and the report is rendered from these files."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from slipway import output
from slipway.errors import GateError, SettingError, UserError
from slipway.files import write_text
from slipway.gates import Outcome, Verdict, overall
from slipway.settings.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESULTS = Path("results")
M = TypeVar("M", bound=BaseModel)


class JobResult(BaseModel):
    """The machine-readable result of a job: its verdicts and the evidence for them."""

    model_config = ConfigDict(extra="forbid")

    job: str
    started: datetime
    seconds: float = 0.0
    verdicts: list[Verdict] = []
    evidence: dict[str, Any] = {}
    error: str | None = None
    """First line of the exception when the job crashed before its gates ran."""

    @property
    def outcome(self) -> Outcome:
        """Return the overall outcome of the gates; a job that crashed has failed."""
        return Outcome.FAIL if self.error else overall(self.verdicts)

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


@contextmanager
def recorded(job: str, directory: Path = RESULTS) -> Iterator[JobResult]:
    """Yield a result to fill in and write it however the block ends. A crash is recorded and re-raised."""
    result = JobResult(job=job, started=datetime.now(UTC))
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
        write_text(directory / f"{job}.json", result.model_dump_json(indent=2) + "\n")


class _Need(BaseModel):
    """A job in GitHub's context `needs`."""

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


def read(directory: Path = RESULTS) -> dict[str, JobResult]:
    """Return every result in `directory`, by job name."""
    files = sorted(directory.glob("*.json"))
    return {file.stem: JobResult.model_validate_json(file.read_text(encoding="utf-8")) for file in files}


def read_evidence(model: type[M], content: Mapping[str, Any], where: str) -> M:
    """Return the evidence of a job as its model. Raises UserError with `where`, the key, and what is allowed."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise GateError(f"{where}: {explain(error, model, 'evidence')}") from None
