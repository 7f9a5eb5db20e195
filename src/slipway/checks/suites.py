"""The deepchecks suites, run in a separate environment: their input and their answers.

deepchecks does not run on the current stack, so it has its own environment, `.venv-checks`, and reads samples as
Parquet. A fixed number of rows and files bounds the cost for any amount of data.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.gates.data_evidence import SuiteEvidence
from slipway.schema.columns import columns
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway.settings.data_checks import DataSection, SuitesSection

ENVIRONMENT = ".venv-checks"
RUNNER = "slipway.checks.deepchecks_runner"
SYNC = "uv sync --frozen --quiet --no-default-groups --group checks"
"""Installs the locked packages by hash; 0.04 s where they are up to date."""
START = f'{{ [ -n "${{UV_NO_SYNC:-}}" ] || {SYNC}; }} && exec {ENVIRONMENT}/bin/python -m "$@"'
"""The shell turns into Python: `uv run` would wait for it with 20 MB in memory. UV_NO_SYNC has the effect that it has
on `uv run`."""
QUIET = {
    "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "true",  # otherwise each import calls api.deepchecks.com
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads slow a busy machine down by a factor of ten
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the default one retains what a file took
    "OPENBLAS_NUM_THREADS": "1",  # no matrix of the suites is large enough for two
}
SMALL_FILES_RATIO = 4  # of the windows: with one file of each day, nine of each day of the week
LABEL_TYPES: dict[str, type] = {"binary": np.int64, "multiclass": str, "regression": np.float64}


@dataclass(frozen=True)
class SuiteJob:
    """A comparison of new rows with reference rows; `html` is the path of the full report, or None."""

    name: str
    new: pd.DataFrame
    reference: pd.DataFrame
    html: Path | None = None


def table(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return at most `rows` labeled rows of `frame`, drawn with `seed`, in the types for deepchecks and the probe."""
    labeled = frame[frame[problem.TARGET].notna()]
    return typed(labeled.sample(min(rows, len(labeled)), random_state=seed).sort_index())


def typed(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return labeled rows in the types for deepchecks and the probe."""
    features = to_features(drawn, problem.Row)
    categories = [column.name for column in columns(problem.Row) if column.kind == "category"]
    features[categories] = features[categories].astype(object).where(drawn[categories].notna(), None)
    features[problem.TARGET] = drawn[problem.TARGET].astype(LABEL_TYPES[problem.TASK])
    if problem.TIME_COLUMN:
        features[problem.TIME_COLUMN] = drawn[problem.TIME_COLUMN]
    return features.reset_index(drop=True)


def spread(names: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of `names`, evenly spaced and including the last."""
    if len(names) <= count:
        return list(names)
    return [names[-1 - index * (len(names) - 1) // max(count - 1, 1)] for index in reversed(range(count))]


def reference(names: Sequence[str], rows: int, limits: DataSection) -> list[str]:
    """Return the older files among `names`, of about `rows` rows each, that the reference is drawn from.

    Of small files, such as one of each day, there are more: each is a window of the learned checks.
    """
    count = limits.suites.reference_files
    if rows * count < limits.relations.reference_rows:
        count = max(count, SMALL_FILES_RATIO * limits.relations.windows)
    return spread(names, count)


@contextmanager
def started() -> Iterator[Suites]:
    """Start a process in the checks' environment, which imports deepchecks while the block prepares the frames.

    The process ends with the block, at any point of its work.
    """
    # The installation leaves the compilation of the few imported modules to the first run.
    dropped = {"VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment |= {"UV_PROJECT_ENVIRONMENT": ENVIRONMENT} | QUIET
    with tempfile.TemporaryDirectory() as folder:
        suites = Suites(Path(folder))
        with subprocess.Popen(
            ["sh", "-c", START, "sh", RUNNER, str(suites.request), str(suites.answer)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as suites.process:
            try:
                yield suites
            finally:
                suites.process.terminate()  # of a block without jobs; has no effect on a finished process


@dataclass
class Suites:
    """A process that runs suites; see `started`. Its files are in `folder`."""

    folder: Path
    process: subprocess.Popen[str] = field(init=False)
    jobs: Sequence[SuiteJob] = ()

    @property
    def request(self) -> Path:
        """The file of the jobs and the thresholds, which the process reads when its standard input ends."""
        return self.folder / "request.json"

    @property
    def answer(self) -> Path:
        """The file that the process writes."""
        return self.folder / "answer.json"

    def send(self, jobs: Sequence[SuiteJob], limits: SuitesSection) -> None:
        """Let the process run `problem.data_suite` on every job. Call this once."""
        self.jobs = jobs
        listed = [_written(job, self.folder) for job in jobs]
        self.request.write_text(json.dumps({"thresholds": limits.model_dump(), "jobs": listed}), encoding="utf-8")
        if self.process.stdin:
            self.process.stdin.close()

    def evidence(self) -> dict[str, SuiteEvidence]:
        """Wait for the process. Return the evidence by name of the job, with an error for a suite that did not run."""
        errors = self.process.stderr.read() if self.process.stderr else ""
        self.process.wait()
        answers = json.loads(self.answer.read_text(encoding="utf-8")) if self.answer.exists() else {}
        cause = (errors.strip().splitlines() or ["no error output"])[-1]
        crashed = {"error": f"deepchecks did not run: {cause}"}
        return {job.name: SuiteEvidence.model_validate(answers.get(job.name, crashed)) for job in self.jobs}


def run(jobs: Sequence[SuiteJob], limits: SuitesSection) -> dict[str, SuiteEvidence]:
    """Run `problem.data_suite` on every job, in one process of the checks' environment; see `Suites.evidence`."""
    with started() as suites:
        suites.send(jobs, limits)
        return suites.evidence()


def _written(job: SuiteJob, folder: Path) -> dict[str, Any]:
    """Return the job in the runner's format; a frame of several jobs is written once."""
    paths = {side: folder / f"{id(frame)}.parquet" for side, frame in (("new", job.new), ("reference", job.reference))}
    for side, path in paths.items():
        if not path.exists():
            getattr(job, side).to_parquet(path)
    html = str(job.html.resolve()) if job.html else None
    return {"name": job.name, "html": html, **{side: str(path) for side, path in paths.items()}}
