"""The verb `compare`: the candidate beside the release in production, and beside the baselines.

All are scored on the candidate's own test rows, so that the comparison is paired.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import bootstrap, github, metrics, predictor
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.dvc_files import blobs
from slipway.delivery.home import store_url
from slipway.delivery.store import fetch, open_store
from slipway.errors import UserError
from slipway.gates import comparison as gates
from slipway.git import Git
from slipway.pipeline.tables import positions, read_rows
from slipway.redact import redacted
from slipway.results import recorded
from slipway.segments import ALL, segments
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

TEST_ROWS = Path("build/prepared/test.parquet")
PREDICTIONS = Path("build/evaluated/predictions.parquet")
MODEL = Path("model")


@dataclass(frozen=True)
class Candidate:
    """Where the pipeline left a new model, its test rows, and what it and the baselines predict for them."""

    model: Path = MODEL
    test_rows: Path = TEST_ROWS
    predictions: Path = PREDICTIONS


BUILT = Candidate()
"""That of dvc.yaml."""


@dataclass(frozen=True)
class Champion:
    """The release in production, and where its model lies."""

    version: str
    digest: str
    commit: str
    model: Path


def fetch_released(environment: str, folder: Path) -> Champion | None:
    """Fetch the release in `environment` into `folder`, verified; None when there is none yet."""
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    desired = branch.read(environment)
    if desired is None:
        return None
    folder = folder / environment
    fetched = fetch(open_store(store_url()), desired.release, desired.digest, folder / desired.release)
    return Champion(desired.release, desired.digest, desired.commit, fetched.folder / "model")


def out_of_reach(environment: str) -> dict[str, str] | None:
    """The release in `environment` and why a fork's run cannot fetch it; None where it can, and in every other run.

    GitHub gives the run of a pull request from a fork no variables, so that it does not know where releases are kept.
    """
    if not github.of_a_fork():
        return None
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    desired = branch.read(environment)
    if desired is None or desired.release in open_store(store_url()).versions():
        return None
    store = redacted(store_url())
    reason = f"{desired.release} is not in the store {store}, and GitHub gives a fork no variable SLIPWAY_STORE"
    named = {"version": desired.release, "digest": desired.digest, "commit": desired.commit}
    return named | {"unreachable": f"{reason}; push the branch to this repository to compare"}


def compare() -> None:
    """Write results/compare.json: the evidence, and the gates on it. Raises UserError when one does not pass."""
    params = read_params()
    with recorded("compare") as result:
        unreachable = {name: out_of_reach(name) for name in ("production", "staging")}
        with TemporaryDirectory() as folder:
            champion, staging = (
                None if reason else fetch_released(name, Path(folder)) for name, reason in unreachable.items()
            )
            candidate, _ = blobs(MODEL)
            result.evidence = {"candidate": candidate, **measure(champion, staging, params)}
        if unreachable["production"]:
            result.evidence["champion"] = unreachable["production"]
        result.verdicts = [gate(result.evidence, params["gates"]) for gate in gates.COMPARISON_GATES]
    result.print_verdicts()
    result.require()


def measure(
    champion: Champion | None, staging: Champion | None, params: Mapping[str, Any], new: Candidate = BUILT
) -> dict[str, Any]:
    """Score everything on the test rows, and compare it with the candidate: evidence of the gates and the report.

    `staging` is the release that staging is to run; it is compared over all rows only, and blocks nothing.
    """
    if not new.predictions.exists():
        raise UserError(f"{new.predictions}: not there; run `slipway train`")
    features, target = read_rows(new.test_rows)
    predictions = pd.read_parquet(new.predictions)
    candidate, *baselines = (name for name in predictions)
    scores = {name: np.stack(predictions[name].to_numpy()) for name in predictions}
    y = positions(target, predictor.signature(new.model)["classes"])
    against = _Against(y, scores[candidate], predictor.signature(new.model), params)
    evidence: dict[str, Any] = {
        "rows": len(y),
        "champion": None,
        "production": {},
        "baselines": {name: against(name, {ALL: np.arange(len(y))}, scores[name]) for name in baselines},
        "calibration": calibration(y, scores[candidate]),
        "bytes": {"candidate": _bytes(new.model)},
        "staging": None,
    }
    if champion is not None:
        evidence |= _beside(champion, features, segments(features, problem.SEGMENTS), against)
    if champion is not None and "error" not in evidence["champion"]:
        evidence["bytes"]["champion"] = _bytes(champion.model)
        models = {"candidate": new.model, "champion": champion.model}
        evidence["milliseconds"] = latency(models, features, params["gates"])
    if staging is not None:
        same = champion is not None and champion.digest == staging.digest
        compared = evidence if same else _beside(staging, features, {ALL: np.arange(len(y))}, against)
        evidence["staging"] = compared["champion"] | {ALL: compared.get("production", {}).get(ALL, [])}
    return evidence


@dataclass(frozen=True)
class _Against:
    """Compares the candidate with other predictions for the same rows."""

    y: np.ndarray
    candidate: np.ndarray
    signature: Mapping[str, Any]
    """Of the candidate."""
    params: Mapping[str, Any]

    def __call__(
        self, name: str, groups: Mapping[str, np.ndarray], other: np.ndarray
    ) -> dict[str, list[dict[str, Any]]]:
        print(f"compare: with {name}", file=sys.stderr, flush=True)
        gates_params, several = self.params["gates"], len(groups) - 1
        alpha = 1 - gates_params["confidence"]
        compared = bootstrap.compare(
            self.y,
            self.candidate,
            other,
            list(metrics.for_task(problem.TASK).values()),
            groups,
            resamples=gates_params["resamples"],
            confidence={name: 1 - (alpha if name == ALL else alpha / several) for name in groups},
            seed=self.params["seed"],
        )
        return {name: [asdict(row) for row in rows] for name, rows in compared.items()}


def _beside(
    champion: Champion, features: pd.DataFrame, groups: Mapping[str, np.ndarray], against: _Against
) -> dict[str, Any]:
    """The comparison with a release, or why there is none: it may ask for what these rows no longer have."""
    named = {"version": champion.version, "digest": champion.digest, "commit": champion.commit}
    expected, actual = predictor.signature(champion.model), against.signature
    missing = sorted({column["name"] for column in expected["columns"]} - set(features))
    if missing:
        return {
            "champion": named | {"error": f"{champion.version} needs the column {missing[0]}, which the test rows lack"}
        }
    for key in ("task", "target", "classes"):
        if expected[key] != actual[key]:
            return {
                "champion": named
                | {"error": f"{champion.version} has {key} {expected[key]}, the candidate {actual[key]}"}
            }
    prediction = predictor.load(champion.model).predict({name: features[name].to_numpy() for name in features})
    return {"champion": named, "production": against(champion.version, groups, prediction)}


def calibration(y: np.ndarray, prediction: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Mean prediction and mean outcome in each tenth of the rows, by prediction.

    For `multiclass`, the probability of the likeliest class, and how often it was the right one.
    """
    if prediction.ndim > 1:
        y, prediction = (prediction.argmax(axis=1) == y) * 1.0, prediction.max(axis=1)
    parts = np.array_split(np.argsort(prediction, kind="stable"), bins)
    return [
        {"predicted": float(prediction[part].mean()), "observed": float(y[part].mean())} for part in parts if len(part)
    ]


def latency(models: Mapping[str, Path], features: pd.DataFrame, params: Mapping[str, Any]) -> dict[str, float]:
    """Median milliseconds in which each model scores one row; taken in turns, so that a busy machine slows all."""
    scorers = {name: predictor.load(model) for name, model in models.items()}
    rows = [{name: features[name].iloc[[row]].to_numpy() for name in features} for row in range(min(len(features), 50))]
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for turn in range(params["latency_calls"]):
        for name, scorer in scorers.items():
            start = time.perf_counter()
            scorer.predict(rows[turn % len(rows)])
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(taken) * 1000) for name, taken in seconds.items()}


def _bytes(model: Path) -> int:
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file() and file.name != "release.json")
