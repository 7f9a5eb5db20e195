"""The stock way: BentoML as its guide has it, a data frame in, the scikit-learn pipeline as it was trained."""

from __future__ import annotations

import os
from pathlib import Path

import bentoml
import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.pipeline import skops_file
from slipway.schema import columns
from slipway.settings import read_params

NUMBERS = {column.name: np.float32 for column in columns(problem.Row) if column.kind == "number"}


@bentoml.service(name="stock", workers=1)
class Stock:
    """Predictions for a data frame."""

    def __init__(self) -> None:
        trusted = read_params()["export"]["trusted_types"]
        self.model = skops_file.load(Path(os.environ["SLIPWAY_BENCH_ESTIMATOR"]), trusted)

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> list:
        """A prediction for each row; missing numbers come as None, which makes a column of objects."""
        return predictor.score(self.model, rows.astype(NUMBERS), problem.TASK).tolist()
