"""The deepchecks suites, run in a separate environment: their input and their answers.

deepchecks does not run on the current stack, so it has its own environment, `.venv-checks`, and reads samples as
Parquet. A fixed number of rows and files bounds the cost for any amount of data.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.gates.data_evidence import SuiteEvidence
from slipway.schema.columns import columns
from slipway.schema.features import to_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.settings.data_checks import SuitesSection

ENVIRONMENT = ".venv-checks"
RUNNER = "slipway.checks.deepchecks_runner"
QUIET = {
    "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "true",  # otherwise each import calls api.deepchecks.com
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads slow a busy machine down by a factor of ten
}
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
    drawn = labeled.sample(min(rows, len(labeled)), random_state=seed).sort_index()
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


def run(jobs: Sequence[SuiteJob], limits: SuitesSection) -> dict[str, SuiteEvidence]:
    """Run `problem.data_suite` on every job, in one process of the checks' environment.

    Returns the evidence by the name of the job, with an error where the suite did not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        listed = [_written(job, Path(folder)) for job in jobs]
        request.write_text(json.dumps({"thresholds": limits.model_dump(), "jobs": listed}), encoding="utf-8")
        finished = _run_isolated([RUNNER, str(request), str(answer)])
        answers = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
    cause = (finished.stderr.strip().splitlines() or ["no error output"])[-1]
    crashed = {"error": f"deepchecks did not run: {cause}"}
    return {job.name: SuiteEvidence.model_validate(answers.get(job.name, crashed)) for job in jobs}


def _written(job: SuiteJob, folder: Path) -> dict[str, Any]:
    """Return the job in the runner's format; a frame of several jobs is written once."""
    paths = {side: folder / f"{id(frame)}.parquet" for side, frame in (("new", job.new), ("reference", job.reference))}
    for side, path in paths.items():
        if not path.exists():
            getattr(job, side).to_parquet(path)
    html = str(job.html.resolve()) if job.html else None
    return {"name": job.name, "html": html, **{side: str(path) for side, path in paths.items()}}


def _run_isolated(module: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= {"UV_PROJECT_ENVIRONMENT": ENVIRONMENT} | QUIET
    command = ["uv", "run", "--frozen", "--no-default-groups", "--group", "checks", "python", "-m", *module]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
