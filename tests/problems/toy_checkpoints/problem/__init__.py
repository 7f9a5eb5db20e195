"""The duration of a job, by trees, XGBoost's trees or a neural network; its `train` continues after a kill."""

import os
import signal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TARGET, TASK, TIME_COLUMN, SEGMENTS = "seconds", "regression", None, ()
TYPES = {
    "trees": ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
    "network": ["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"],
}


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    size: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    machine: Literal["small", "large"]


def build_model(params):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    encode = make_column_transformer((OrdinalEncoder(), ["machine"]), (StandardScaler(), ["size"]))
    if params["model"]["kind"] == "trees":
        model = HistGradientBoostingRegressor(
            max_iter=params["model"]["rounds"], warm_start=True, early_stopping=False, random_state=params["seed"]
        )
    elif params["model"]["kind"] == "xgboost":
        from xgboost import XGBRegressor

        model = XGBRegressor(n_estimators=params["model"]["rounds"], random_state=params["seed"], n_jobs=1)
    else:
        model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=params["model"]["rounds"], random_state=params["seed"])
    return make_pipeline(encode, model)


def train(estimator, features, target, checkpoint):
    """Fit the last step in rounds, with a checkpoint after each, and die after $KILL_AFTER of them."""
    encode, (name, model) = estimator[:-1], estimator.steps[-1]
    fit = _boost if hasattr(model, "get_booster") else _fit
    estimator.steps[-1] = (name, fit(model, encode.fit_transform(features), target, checkpoint))
    return estimator


def _boost(model, rows, target, checkpoint):
    """Fit XGBoost's trees; a callback saves them after each."""
    import xgboost

    class Save(xgboost.callback.TrainingCallback):
        def after_iteration(self, booster, iteration, _):
            checkpoint.save(bytes(booster.save_raw("ubj")))
            _die_after(iteration + 1)
            return False

    content = checkpoint.load()
    before = xgboost.Booster(model_file=bytearray(content)) if content else None
    done = before.num_boosted_rounds() if before else 0
    booster = xgboost.train(
        model.get_xgb_params(),
        xgboost.DMatrix(rows, target),
        model.n_estimators - done,
        xgb_model=before,
        callbacks=[Save()],
    )
    model.load_model(booster.save_raw())
    return model


def _fit(model, rows, target, checkpoint):
    import skops.io

    rounds = model.max_iter
    if content := checkpoint.load():
        model = skops.io.loads(content, trusted=[kind for types in TYPES.values() for kind in types])
    done = len(model.loss_curve_) if hasattr(model, "loss_curve_") else getattr(model, "n_iter_", 0)
    for number in range(done + 1, rounds + 1):
        if hasattr(model, "partial_fit"):
            model.partial_fit(rows, target)
        else:
            model.set_params(max_iter=number).fit(rows, target)
        checkpoint.save(skops.io.dumps(model))
        _die_after(number - done)
    return model.set_params(max_iter=rounds)


def _die_after(rounds):
    if rounds == int(os.environ.get("KILL_AFTER", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
