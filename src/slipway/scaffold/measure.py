"""What the fork's own problem measures, in a process of its own, because this one began with another problem.

`python -m slipway.scaffold.measure training ANSWER` measures the estimator on the data, as tests/convergence does;
`python -m slipway.scaffold.measure comparison ANSWER` the trained model beside the baselines, as `slipway compare`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

import problem
from slipway import compare, metrics, predictor
from slipway.checks import convergence, data, files, suites
from slipway.checks.probe import Probe
from slipway.errors import UserError
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

DATA = Path("data")
VALIDATION = 0.25  # of the training rows, on which the number of trees is chosen
TREES_MAX = 300
TREES_MIN = 40  # fewer do not learn a small sample by heart, which is how training is tested


def take_in() -> dict[str, Any]:
    """Take every file of incoming/ into the data, as new files will be, and see whether they can be split."""
    DATA.mkdir(exist_ok=True)
    try:
        while problem.next_batch(DATA):
            pass
    except ValueError as error:  # a file that is not what its columns hold
        raise UserError(str(error)) from None
    frame = problem.load(DATA)
    train, test = problem.split(frame[frame[problem.TARGET].notna()], read_params())
    if unknown := _unknown(train[problem.TARGET], test[problem.TARGET]):
        raise UserError(unknown)
    return {"files": files.listed(DATA)}


def _unknown(train: pd.Series, test: pd.Series) -> str:
    """What keeps a model of the train rows from being judged on the test rows, or nothing."""
    if not len(train) or not len(test):
        return f"{len(train)} train and {len(test)} test rows; too few different times to split by"
    if problem.TASK != "regression" and (lost := set(test) ^ set(train)):
        return (
            f"{problem.TARGET}: {lost.pop()} is not in both of the train and the test rows; leave the time out, or it"
        )
    return ""


def training() -> dict[str, Any]:
    """The number of trees that does best on held-out training rows, and the evidence of convergence with it."""
    params = read_params()
    subject = convergence.subject(DATA, params)
    trees = _trees(subject, params)
    params["model"]["max_iter"] = trees
    chosen = replace(subject, build=lambda: problem.build_model(params))
    return {"trees": trees, **convergence.evidence(chosen, params["convergence"]["small_rows"])}


def _trees(subject: convergence.Subject, params: Mapping[str, Any]) -> int:
    many = {**params, "model": {**params["model"], "max_iter": TREES_MAX}}
    held_out = np.random.default_rng(subject.seed).random(len(subject.train)) < VALIDATION
    rows, target = subject.train[~held_out], subject.train_target[~held_out]
    estimator = problem.build_model(many).fit(rows, target)
    known = subject.train_target[held_out]
    if subject.task == "multiclass":
        known = np.searchsorted(estimator.classes_, known)
    loss = metrics.loss_of(subject.task)
    losses = [
        loss.value(known, scores) for scores in predictor.staged(estimator, subject.train[held_out], subject.task)
    ]
    return max(TREES_MIN, round(int(np.argmin(losses)) + 1, -1))


def comparison() -> dict[str, Any]:
    """The trained model beside the baselines, and how well a linear model orders each file after the first."""
    params = read_params()
    evidence = compare.measure(None, None, params)
    evaluated = json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))
    return {"rows": evidence["rows"], "metrics": evaluated, **_gaps(evidence), "probe": _probe(params)}


def _gaps(evidence: Mapping[str, Any]) -> dict[str, Any]:
    primary = read_params()["gates"]["primary"]
    gains = {
        name: next(row["gain"] for row in rows["all"] if row["metric"] == primary)
        for name, rows in evidence["baselines"].items()
    }
    observed = [tenth["observed"] for tenth in evidence["calibration"]]
    gap = float(np.mean([abs(tenth["predicted"] - tenth["observed"]) for tenth in evidence["calibration"]]))
    return {"gains": gains, "calibration": gap / max(1, max(observed) - min(observed))}


def _probe(params: Mapping[str, Any]) -> float:
    """The least skill of the data checks' linear model on a file, held against the files before it."""
    names = files.listed(DATA)
    held = [(names[place], names[:place]) for place in range(1, len(names))] or [(names[0], [])]
    count = params["data"]["suites"]["reference_files"]
    skills = []
    for new, older in held:
        rows, reference = data.samples(DATA, [new], suites.spread(older, count), params)
        skills.append(Probe(reference).skill(rows))
    return float(min(skills))


def main(question: str, answer: Path) -> None:
    """Answer one question."""
    with threadpool_limits(1):  # threads that wait for one another make a busy machine many times slower
        found = {"take_in": take_in, "training": training, "comparison": comparison}[question]()
    answer.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except UserError as error:
        sys.exit(str(error))
