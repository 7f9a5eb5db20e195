"""A toy problem in thirty lines: the duration of a job, from its size and machine. Regression, no time column."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

TARGET, TASK, TIME_COLUMN, SEGMENTS = "seconds", "regression", None, ("machine",)


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    size: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, description="Size of the job")] | None
    machine: Literal["small", "large"] = Field(description="Kind of machine")


def load(data_dir):
    import pandas as pd

    return pd.concat([pd.read_csv(file) for file in sorted(data_dir.glob("*.csv"))], ignore_index=True)


def split(frame, params):
    test = np.random.default_rng(params["seed"]).random(len(frame)) < params["split"]["test_ratio"]
    return frame[~test], frame[test]


def build_model(params):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = make_column_transformer((OrdinalEncoder(), ["machine"]), ("passthrough", ["size"]))
    return make_pipeline(
        encode, HistGradientBoostingRegressor(max_iter=params["model"]["max_iter"], random_state=params["seed"])
    )
