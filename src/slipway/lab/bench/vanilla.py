"""Vanilla BentoML as in its guide: a data frame as input, and the trained scikit-learn pipeline as model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.pipeline import skops_file
from slipway.schema.columns import columns
from slipway.settings import read_settings

NUMBERS = {column.name: np.float32 for column in columns(problem.Row) if column.kind == "number"}


@bentoml.service(name="vanilla", workers=1)
class Vanilla:
    """Service that predicts for a data frame."""

    def __init__(self) -> None:
        trusted = read_settings().export.trusted_types
        self.model = skops_file.load(Path(os.environ["SLIPWAY_BENCH_ESTIMATOR"]), trusted)

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML publishes no types
    def predict(self, rows: pd.DataFrame) -> list[Any]:
        """Return a prediction per row. Missing numbers arrive as None, in a column of the type object."""
        scores: list[Any] = predictor.score(self.model, rows.astype(NUMBERS), problem.TASK).tolist()
        return scores
