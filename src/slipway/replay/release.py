"""A model as the pipeline makes it, by its own stages, from the rows that are known on a day; and the gates on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import problem
from slipway import compare, predictor
from slipway.files import read_json
from slipway.gates import comparison
from slipway.gates import model as alone
from slipway.monitoring import Promise, Reference
from slipway.pipeline import evaluate, export, prepare, train

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from slipway.gates import Verdict

GATES = tuple(gate for gate in comparison.COMPARISON_GATES if gate is not comparison.latency)
"""Of the comparison, but for the one that measures this machine's time: a replay is the same each time."""


@dataclass(frozen=True)
class Release:
    """A model and what it promises."""

    name: str
    folder: Path
    reference: Reference

    @property
    def champion(self) -> compare.Champion:
        """As the comparison takes what is in production."""
        return compare.Champion(self.name, self.name, self.name, self.folder / "model")


def build(name: str, rows: pd.DataFrame, now: datetime, folder: Path, params: Mapping[str, Any]) -> Release:
    """Train on `rows`, those without a label left out, into `folder`."""
    train_rows, test_rows = problem.split(rows[rows[problem.TARGET].notna()], params)
    prepared, trained, model = folder / "prepared", folder / "trained/model.skops", folder / "model"
    prepared.mkdir(parents=True)
    for part, of_part in {"train": train_rows, "test": test_rows}.items():
        prepare._table(of_part).to_parquet(prepared / f"{part}.parquet", index=False)  # the same as in the stage
    train.train(prepared, trained, folder / "loss.csv")
    export.export(trained, prepared, model, folder / "export.json")
    evaluate.evaluate(model, prepared, _predictions(folder), folder / "evaluate.json", folder / "importance.json")
    measured, importance = read_json(folder / "evaluate.json")["model"], read_json(folder / "importance.json")
    promise = Promise(release=name, built=now, metrics=measured, importance=importance)
    return Release(name, folder, Reference(promise, train_rows, test_rows, predictor.load(model), params["seed"]))


def judge(new: Release, production: Release, params: Mapping[str, Any]) -> list[Verdict]:
    """The gates of a pull request, with `production` as the champion."""
    made = compare.Candidate(new.folder / "model", new.folder / "prepared/test.parquet", _predictions(new.folder))
    evidence = compare.measure(production.champion, None, params, made)
    return [
        alone.parity(read_json(new.folder / "export.json"), params["export"]["parity_tolerance"]),
        alone.floor(read_json(new.folder / "evaluate.json"), params["gates"], problem.TASK),
        *(gate(evidence, params["gates"]) for gate in GATES),
    ]


def _predictions(folder: Path) -> Path:
    return folder / "predictions.parquet"
