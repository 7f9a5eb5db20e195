"""A release of the simulation: trained by the stages of the pipeline on the rows labeled by a day, and its gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import problem
from slipway import predictor
from slipway.files import read_json
from slipway.gates import comparison
from slipway.gates import model as alone
from slipway.gates.training_evidence import Export
from slipway.monitoring.reference import Reference, ReleaseBaseline
from slipway.pipeline import evaluate, export, prepare, train
from slipway.pull_request import compare
from slipway.release.champion import Champion

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from slipway.gates import Verdict
    from slipway.settings import Settings

GATES = tuple(gate for gate in comparison.COMPARISON_GATES if gate is not comparison.latency)
"""Gates of the comparison, except latency, which depends on the machine and would make a backtest irreproducible."""


@dataclass(frozen=True)
class SimulatedRelease:
    """A model in `folder`, with its reference."""

    name: str
    folder: Path
    reference: Reference

    @property
    def champion(self) -> Champion:
        """Return the release as the champion of a comparison."""
        return Champion(self.name, self.name, self.name, self.folder / "model")


def build(name: str, rows: pd.DataFrame, now: datetime, folder: Path, settings: Settings) -> SimulatedRelease:
    """Train a release on the labeled ones of `rows`, and write its files into `folder`."""
    train_rows, test_rows = problem.split(rows[rows[problem.TARGET].notna()], settings.for_problem())
    prepared, trained, model = folder / "prepared", folder / "trained/model.skops", folder / "model"
    prepare.write_tables(prepared, train_rows, test_rows)
    train.train(prepared, trained, folder / "loss.csv", folder / "checkpoints")
    export.export(trained, prepared, model, folder / "export.json")
    evaluate.evaluate(model, prepared, _predictions(folder), folder / "evaluate.json", folder / "importance.json")
    measured, importance = read_json(folder / "evaluate.json")["model"], read_json(folder / "importance.json")
    baseline = ReleaseBaseline(release=name, built=now, metrics=measured, importance=importance)
    reference = Reference(baseline, train_rows, test_rows, predictor.load(model), settings.seed)
    return SimulatedRelease(name, folder, reference)


def judge(new: SimulatedRelease, production: SimulatedRelease, settings: Settings) -> list[Verdict]:
    """Return the verdicts of a pull request's gates on `new`, with `production` as the champion."""
    candidate = compare.Candidate(new.folder / "model", new.folder / "prepared/test.parquet", _predictions(new.folder))
    evidence = compare.measure(production.champion, None, settings, candidate)
    exported = Export.model_validate(read_json(new.folder / "export.json"))
    return [
        alone.parity(exported, settings.export.parity_tolerance),
        alone.floor(read_json(new.folder / "evaluate.json")["model"], settings.gates, problem.TASK),
        *(gate(evidence, settings.gates) for gate in GATES),
    ]


def _predictions(folder: Path) -> Path:
    return folder / "predictions.parquet"
