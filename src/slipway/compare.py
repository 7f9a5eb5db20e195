"""The verb `compare`: the candidate beside the release in production, and beside the baselines.

All are scored on the candidate's own test rows, so that the comparison is paired.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import bootstrap, metrics, predictor
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.git import Git
from slipway.delivery.home import store_url
from slipway.delivery.store import open_store
from slipway.errors import UserError
from slipway.gates import comparison as gates
from slipway.pipeline.tables import positions, read_rows
from slipway.results import recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

TEST_ROWS = Path("build/prepared/test.parquet")
PREDICTIONS = Path("build/evaluated/predictions.parquet")
MODEL = Path("model")

ALL = "all"
"""The group that holds every row."""


@dataclass(frozen=True)
class Champion:
    """The release in production, and where its model lies."""

    version: str
    digest: str
    commit: str
    model: Path


def fetch_champion(folder: Path) -> Champion | None:
    """Fetch the release in production into `folder`, verified; None when there is none yet."""
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    desired = branch.read("production")
    if desired is None:
        return None
    fetched = open_store(store_url()).get(desired.release, folder / desired.release)
    if fetched.digest != desired.digest:
        raise UserError(f"{desired.release}: the store holds {fetched.digest}, production asks for {desired.digest}")
    return Champion(desired.release, desired.digest, desired.commit, fetched.folder / "model")


def compare() -> None:
    """Write results/compare.json: the evidence, and the gates on it. Raises UserError when one does not pass."""
    params = read_params()
    with recorded("compare") as result:
        with TemporaryDirectory() as folder:
            result.evidence = measure(fetch_champion(Path(folder)), params)
        result.verdicts = [
            gate(result.evidence, params["gates"]) for gate in (gates.champion, gates.segments, gates.baselines)
        ]
    result.require()


def measure(champion: Champion | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Score everything on the test rows, and compare it with the candidate: evidence of the gates and the report."""
    features, target = read_rows(TEST_ROWS)
    predictions = pd.read_parquet(PREDICTIONS)
    candidate, *baselines = (name for name in predictions)
    scores = {name: np.stack(predictions[name].to_numpy()) for name in predictions}
    y = positions(target, predictor.signature(MODEL)["classes"])
    against = _Against(y, scores[candidate], params)
    evidence: dict[str, Any] = {
        "rows": len(y),
        "champion": None,
        "production": {},
        "baselines": {name: against({ALL: np.arange(len(y))}, scores[name]) for name in baselines},
        "calibration": calibration(y, scores[candidate]) if problem.TASK == "binary" else [],
    }
    if champion is not None:
        evidence |= _beside_production(champion, features, against)
    return evidence


@dataclass(frozen=True)
class _Against:
    """Compares the candidate with other predictions for the same rows."""

    y: np.ndarray
    candidate: np.ndarray
    params: Mapping[str, Any]

    def __call__(self, groups: Mapping[str, np.ndarray], other: np.ndarray) -> dict[str, list[dict[str, Any]]]:
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


def _beside_production(champion: Champion, features: pd.DataFrame, against: _Against) -> dict[str, Any]:
    """The comparison with production, or why there is none: a champion may ask for what these rows no longer have."""
    named = {"version": champion.version, "digest": champion.digest, "commit": champion.commit}
    expected, actual = predictor.signature(champion.model), predictor.signature(MODEL)
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
    return {"champion": named, "production": against(segments(features), prediction)}


def segments(features: pd.DataFrame) -> dict[str, np.ndarray]:
    """Positions of the rows of each value of each column in `SEGMENTS`, as `column=value`, and of all rows first."""
    groups = {ALL: np.arange(len(features))}
    for column in problem.SEGMENTS:
        for value, rows in features.groupby(column, sort=True).indices.items():
            groups[f"{column}={value}"] = rows
    return groups


def calibration(y: np.ndarray, probability: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Mean prediction and observed share in each tenth of the rows, by prediction."""
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    return [
        {"predicted": float(probability[part].mean()), "observed": float(y[part].mean())} for part in parts if len(part)
    ]
