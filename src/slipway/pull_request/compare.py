"""The command `compare`: the candidate compared with the releases in production and staging, and with the baselines.

All models are scored on the candidate's test rows, so that the comparison is paired.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import output, predictor
from slipway.dvc.files import blobs
from slipway.environment.environment import Environment
from slipway.environment.place import store_url
from slipway.errors import MissingFileError
from slipway.evaluation import bootstrap, calibration, metrics
from slipway.evaluation.segments import ALL, segments
from slipway.gates import comparison as gates
from slipway.git.redact import redacted
from slipway.github import workflows
from slipway.pipeline.tables import positions, read_rows
from slipway.release.champion import Champion, fetch_released
from slipway.release.store import open_store
from slipway.results import recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

TEST_ROWS = Path("build/prepared/test.parquet")
PREDICTIONS = Path("build/evaluated/predictions.parquet")
MODEL = Path("model")
LATENCY_ROWS_MAX = 50  # rows that the latency is measured on


@dataclass(frozen=True)
class Candidate:
    """Paths of a new model, its test rows, and the predictions of the model and the baselines for these rows."""

    model: Path = MODEL
    test_rows: Path = TEST_ROWS
    predictions: Path = PREDICTIONS


BUILT = Candidate()
"""The candidate that the stages of dvc.yaml write."""


def unreachable_from_fork(environment: Environment) -> dict[str, str] | None:
    """Return the release in `environment` and why a fork's run cannot fetch it; None if it can, or is not a fork's run.

    GitHub passes no variables to the run of a pull request from a fork, so the run does not know the release store.
    """
    if not workflows.is_fork_run():
        return None
    desired = environment.desired()
    if desired is None or desired.release in open_store().versions():
        return None
    store = redacted(store_url())
    reason = f"{desired.release} is not in the store {store}, and a fork's run has no variable SLIPWAY_STORE"
    release = {"version": desired.release, "digest": desired.digest, "commit": desired.commit}
    return release | {"unreachable": f"{reason}; push the branch to this repository to compare"}


def compare() -> None:
    """Compare the candidate, judge it, and write results/compare.json. Raises UserError unless every gate passes."""
    params = read_params()
    with recorded("compare") as result:
        environments = [Environment(name) for name in ("production", "staging")]
        unreachable = [unreachable_from_fork(environment) for environment in environments]
        with TemporaryDirectory() as folder:
            champion, staging = (
                None if reason else fetch_released(environment, Path(folder))
                for environment, reason in zip(environments, unreachable, strict=True)
            )
            candidate, _ = blobs(MODEL)
            result.evidence = {"candidate": candidate, **measure(champion, staging, params)}
        if unreachable[0]:
            result.evidence["champion"] = unreachable[0]
        result.verdicts = [gate(result.evidence, params["gates"]) for gate in gates.COMPARISON_GATES]
    result.print_verdicts()
    result.require()


def measure(
    champion: Champion | None, staging: Champion | None, params: Mapping[str, Any], new: Candidate = BUILT
) -> dict[str, Any]:
    """Compare the candidate with the releases and the baselines; return the evidence of the gates and the report.

    staging: the desired release of staging, compared on all rows only; no gate reads it.
    Raises UserError if the pipeline has not written the candidate's predictions.
    """
    if not new.predictions.exists():
        raise MissingFileError(f"{new.predictions}: not found; run `slipway train`")
    features, target = read_rows(new.test_rows)
    predictions = pd.read_parquet(new.predictions)
    candidate, *baselines = map(str, predictions.columns)
    scores = {str(name): np.stack(list(column)) for name, column in predictions.items()}
    y = positions(target, predictor.signature(new.model)["classes"])
    compare_with = _PairedComparison(y, scores[candidate], predictor.signature(new.model), params)
    evidence: dict[str, Any] = {
        "rows": len(y),
        "champion": None,
        "production": {},
        "baselines": {name: compare_with(name, {ALL: np.arange(len(y))}, scores[name]) for name in baselines},
        "calibration": calibration.deciles(y, scores[candidate]),
        "bytes": {"candidate": _bytes(new.model)},
        "staging": None,
    }
    if champion is not None:
        evidence |= _release_comparison(champion, features, segments(features, problem.SEGMENTS), compare_with)
    if champion is not None and "error" not in evidence["champion"]:
        evidence["bytes"]["champion"] = _bytes(champion.model)
        models = {"candidate": new.model, "champion": champion.model}
        evidence["milliseconds"] = latency(models, features, params["gates"])
    if staging is not None:
        same = champion is not None and champion.digest == staging.digest
        compared = evidence if same else _release_comparison(staging, features, {ALL: np.arange(len(y))}, compare_with)
        evidence["staging"] = compared["champion"] | {ALL: compared.get("production", {}).get(ALL, [])}
    return evidence


@dataclass(frozen=True)
class _PairedComparison:
    """Compares the candidate's predictions with others for the same rows."""

    y: np.ndarray
    candidate: np.ndarray
    signature: Mapping[str, Any]
    """Signature of the candidate."""
    params: Mapping[str, Any]

    def __call__(
        self, name: str, groups: Mapping[str, np.ndarray], other: np.ndarray
    ) -> dict[str, list[dict[str, Any]]]:
        output.progress(f"compare: with {name}")
        gates_params, segment_count = self.params["gates"], len(groups) - 1
        alpha = 1 - gates_params["confidence"]
        compared = bootstrap.compare(
            self.y,
            self.candidate,
            other,
            list(metrics.for_task(problem.TASK).values()),
            groups,
            resamples=gates_params["resamples"],
            confidence={name: 1 - (alpha if name == ALL else alpha / segment_count) for name in groups},
            seed=self.params["seed"],
        )
        return {name: [asdict(row) for row in rows] for name, rows in compared.items()}


def _release_comparison(
    champion: Champion, features: pd.DataFrame, groups: Mapping[str, np.ndarray], compare_with: _PairedComparison
) -> dict[str, Any]:
    """Return the comparison with a release, or the reason why its model cannot score these rows."""
    release = {"version": champion.version, "digest": champion.digest, "commit": champion.commit}
    expected, actual = predictor.signature(champion.model), compare_with.signature
    missing = sorted({column["name"] for column in expected["columns"]} - set(features))
    if missing:
        error = f"{champion.version} needs the column {missing[0]}, which the test rows lack"
        return {"champion": release | {"error": error}}
    for key in ("task", "target", "classes"):
        if expected[key] != actual[key]:
            error = f"{champion.version} has {key} {expected[key]}, the candidate {actual[key]}"
            return {"champion": release | {"error": error}}
    prediction = predictor.load(champion.model).predict(
        {str(name): values.to_numpy() for name, values in features.items()}
    )
    return {"champion": release, "production": compare_with(champion.version, groups, prediction)}


def latency(models: Mapping[str, Path], features: pd.DataFrame, params: Mapping[str, Any]) -> dict[str, float]:
    """Return the median milliseconds in which each model scores one row; calls are interleaved, so noise hits all."""
    scorers = {name: predictor.load(model) for name, model in models.items()}
    columns = {str(name): values.to_numpy() for name, values in features.items()}
    rows = [
        {name: values[[row]] for name, values in columns.items()} for row in range(min(len(features), LATENCY_ROWS_MAX))
    ]
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for call in range(params["latency_calls"]):
        for name, scorer in scorers.items():
            start = time.perf_counter()
            scorer.predict(rows[call % len(rows)])
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(durations) * 1000) for name, durations in seconds.items()}


def _bytes(model: Path) -> int:
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file() and file.name != "release.json")
