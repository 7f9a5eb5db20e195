"""The duration of a job, from more rows than fit into memory: a neural network by `partial_fit`, or XGBoost's trees.

Each file has one part of the jobs. The rows of `load` are never in memory together, neither for the split nor to train.
"""

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

    return pd.concat(load_batches(data_dir), ignore_index=True)


def split(frame, params):
    chosen = is_test(None, params)(frame)
    return frame[~chosen], frame[chosen]


def load_batches(data_dir):
    import pandas as pd

    return (pd.read_parquet(file) for file in sorted(data_dir.glob("*.parquet")))


def is_test(data_dir, params):
    """Return a rule by the hash of a row's features, so that equal jobs are on one side."""
    import pandas as pd

    features = list(Row.model_fields)
    return lambda frame: (
        pd.util.hash_pandas_object(frame[features], index=False) % 100 < params["split"]["test_percent"]
    )


def build_model(params):
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(categories=[MACHINES]), ["machine"]))
    return make_pipeline(encode, _model(params["model"], params["seed"]))


def _model(params, seed):
    if params["kind"] == "trees":
        from xgboost import XGBRegressor

        return XGBRegressor(n_estimators=params["rounds"], max_bin=params["bins"], random_state=seed, n_jobs=1)
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(hidden_layer_sizes=(8,), max_iter=params["rounds"], learning_rate_init=0.01, random_state=seed)


def train_batches(estimator, batches, checkpoint):
    """Fit the steps in passes over `batches`; only one of them is in memory."""
    encode, model = estimator[0], estimator[-1]
    for number, (features, _) in enumerate(batches):
        if number == 0:
            encode.fit(features)
        else:
            encode.named_transformers_["standardscaler"].partial_fit(features[["size"]])
    if hasattr(model, "partial_fit"):
        for _ in range(model.max_iter):
            for features, target in batches:
                model.partial_fit(encode.transform(features), target)
    else:
        _boost(model, encode, batches)
    return estimator


def _boost(model, encode, batches):
    """Fit trees by XGBoost's external memory, which keeps binned batches in files of a temporary folder."""
    from tempfile import TemporaryDirectory

    import xgboost

    class Encoded(xgboost.DataIter):
        def reset(self):
            self.left = iter(batches)

        def next(self, input_data):
            features, target = next(self.left, (None, None))
            if features is not None:
                input_data(data=encode.transform(features), label=target)
            return features is not None

    with TemporaryDirectory() as folder:
        matrix = xgboost.ExtMemQuantileDMatrix(
            Encoded(cache_prefix=f"{folder}/batch"), max_bin=model.max_bin, nthread=1
        )
        booster = xgboost.train(model.get_xgb_params(), matrix, model.n_estimators)
        del matrix  # before its files
    model.load_model(booster.save_raw())
