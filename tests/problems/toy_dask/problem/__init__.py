"""The duration of a job, trained on Dask arrays: least squares or XGBoost's trees, on one machine or many.

`DASK_SCHEDULER_ADDRESS` names the scheduler of a cluster; without it, workers of this machine do the work. Batches
are sent to the workers round-robin, so that a cluster of as many workers has the same rows on each of them again.
"""

from itertools import cycle
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TARGET, TASK, TIME_COLUMN, SEGMENTS = "seconds", "regression", None, ("machine",)
MACHINES = ["small", "large"]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    size: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    machine: Literal["small", "large"]


def load(data_dir):
    import pandas as pd

    return pd.concat([pd.read_parquet(file) for file in sorted(data_dir.glob("*.parquet"))], ignore_index=True)


def split(frame, params):
    import numpy as np

    test = np.random.default_rng(params["seed"]).random(len(frame)) < params["split"]["test_ratio"]
    return frame[~test], frame[test]


def build_model(params):
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = make_column_transformer(("passthrough", ["size"]), (OneHotEncoder(categories=[MACHINES]), ["machine"]))
    return make_pipeline(encode, _model(params["model"], params["seed"]))


def _model(params, seed):
    if params["kind"] == "trees":
        from xgboost import XGBRegressor

        return XGBRegressor(n_estimators=params["rounds"], max_bin=params["bins"], random_state=seed, n_jobs=1)
    from sklearn.linear_model import LinearRegression

    return LinearRegression(fit_intercept=False)  # the columns of the machines are its intercepts


def train_batches(estimator, batches, checkpoint):
    """Fit the last step on Dask arrays of all batches, which the workers hold together."""
    from dask.distributed import Client

    encode, model = estimator[0], estimator[-1]
    encode.fit(next(iter(batches))[0])  # it learns nothing from the rows
    with Client() as client:
        fit = _boost if hasattr(model, "n_estimators") else _solve
        fit(client, model, *_arrays(client, encode, batches))
    return estimator


def _arrays(client, encode, batches):
    """Return Dask arrays of features and target, with a chunk per batch, round-robin by the names of the workers."""
    import dask.array as da
    from dask import delayed

    workers = client.scheduler_info(n_workers=-1)["workers"]
    addresses = cycle(sorted(workers, key=lambda address: workers[address]["name"]))
    rows, targets = [], []
    for (features, target), address in zip(batches, addresses, strict=False):
        for chunks, values in ((rows, encode.transform(features)), (targets, target)):
            sent = client.scatter(values, workers=[address], hash=False)
            chunks.append(da.from_delayed(delayed(sent), values.shape, values.dtype))
    return da.concatenate(rows), da.concatenate(targets)


def _solve(client, model, rows, target):
    """Solve least squares by a QR decomposition of each chunk, and of their triangles."""
    import dask.array as da

    model.coef_, model.intercept_ = da.linalg.lstsq(rows, target)[0].compute(), 0.0
    model.n_features_in_ = rows.shape[1]


def _boost(client, model, rows, target):
    """Fit trees; each worker bins its own rows, and adds their histograms to those of the others."""
    from xgboost import dask

    matrix = dask.DaskQuantileDMatrix(client, rows, target, max_bin=model.max_bin)
    booster = dask.train(client, {**model.get_xgb_params(), "nthread": 1}, matrix, model.n_estimators)["booster"]
    model.load_model(booster.save_raw())
