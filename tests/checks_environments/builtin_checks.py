"""Run every built-in check of deepchecks on two frames, and write what each returned.

`python builtin_checks.py REQUEST ANSWER`, both JSON, in the environment of the checks. The request has "reference" and
"new" (Parquet files), "label", "task", "categories", "time" and "predictions": made elsewhere, since a model that each
environment fits for itself may be another one. Only a check that refuses predictions gets such a model. Each check runs
with all of its conditions.
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from slipway.checks.deepchecks_runner import restore_numpy_1, seed

THRESHOLD = 0.1
"""What a condition gets for an argument that has no default."""


def main(request_file: Path, answer_file: Path) -> None:
    """Answer the request."""
    restore_numpy_1()
    request = json.loads(request_file.read_text(encoding="utf-8"))
    reference, new = (pd.read_parquet(request[side]) for side in ("reference", "new"))
    sides = {"train_dataset": dataset(reference, request), "test_dataset": dataset(new, request)}
    names = list(features(reference, request).columns)
    equal = pd.Series(1 / len(names), index=names)  # or deepchecks permutes columns, for as long as the clock allows
    predicted = {name: np.array(values) for name, values in request["predictions"].items()}
    answer = {}
    for name, check in builtin_checks():
        answer[name] = outcome(check, **sides, **predicted)
        if any("error" in each for each in answer[name]):
            answer[name] = outcome(check, **sides, model=fit(reference, request), feature_importance=equal)
    answer_file.write_text(json.dumps(answer), encoding="utf-8")


def builtin_checks() -> list[tuple[str, Any]]:
    """Every check that a suite accepts, with its conditions; a failure to make one is kept in its place."""
    from deepchecks.tabular import ModelComparisonCheck, checks

    classes = [(name, getattr(checks, name)) for name in sorted(checks.__all__)]
    return [(name, made(each)) for name, each in classes if not issubclass(each, ModelComparisonCheck)]


def made(check_class: type) -> Any:
    """The check with every condition that it offers, or the error that making it raised."""
    try:
        check = check_class(**required(check_class.__init__))
        for name in sorted(dir(check)):
            if name.startswith("add_condition_"):
                method = getattr(check, name)
                method(**required(method))
    except Exception as error:  # noqa: BLE001  the error is what is compared
        return error
    return check


def required(function: Any) -> dict[str, Any]:
    """Values for the arguments that have no default."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [each for name, each in inspect.signature(function).parameters.items() if name != "self"]
    return {each.name: THRESHOLD for each in parameters if each.kind in kinds and each.default is each.empty}


def dataset(frame: pd.DataFrame, request: dict[str, Any]) -> Any:
    """The frame as deepchecks takes it."""
    from deepchecks.tabular import Dataset

    return Dataset(
        frame,
        label=request["label"],
        cat_features=request["categories"],
        datetime_name=request["time"],
        label_type=request["task"],
        set_index_from_dataframe_index=True,
    )


def features(frame: pd.DataFrame, request: dict[str, Any]) -> pd.DataFrame:
    """The columns that a model reads."""
    return frame.drop(columns=[name for name in (request["label"], request["time"]) if name])


def fit(frame: pd.DataFrame, request: dict[str, Any]) -> Any:
    """A small model of the task, with a fixed seed."""
    names = list(features(frame, request).columns)
    categories = [name for name in request["categories"] if name in names]
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), categories),
        ("passthrough", [name for name in names if name not in categories]),
    )
    kind = GradientBoostingRegressor if request["task"] == "regression" else GradientBoostingClassifier
    model = make_pipeline(encode, SimpleImputer(), kind(n_estimators=10, random_state=0))
    return model.fit(features(frame, request), frame[request["label"]])


def predictions(
    model: Any, reference: pd.DataFrame, new: pd.DataFrame, request: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Predictions of both frames, as arguments of `Suite.run`."""
    found = {}
    for side, frame in (("train", reference), ("test", new)):
        found[f"y_pred_{side}"] = model.predict(features(frame, request))
        if request["task"] != "regression":
            found[f"y_proba_{side}"] = model.predict_proba(features(frame, request))
    return found


def outcome(check: Any, **arguments: Any) -> list[dict[str, Any]]:
    """Value and conditions of each result of one check, or the error that it raised."""
    from deepchecks.tabular import Suite

    if isinstance(check, Exception):
        return [{"error": f"{type(check).__name__}: {check}"}]
    seed()
    try:
        results = Suite("one check", check).run(**arguments, with_display=False).results
    except Exception as error:  # noqa: BLE001  the error is what is compared
        return [{"error": f"{type(error).__name__}: {error}"}]
    return [described(result) for result in results]


def described(result: Any) -> dict[str, Any]:
    """One result as JSON, its value to the last digit."""
    if hasattr(result, "exception"):
        return {"error": f"{type(result.exception).__name__}: {result.exception}"}
    conditions = [[each.name, each.category.name, each.details] for each in result.conditions_results]
    return {"value": plain(result.value), "conditions": conditions}


def plain(value: Any) -> Any:
    """The value as JSON; floats as text with all of their digits."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, pd.DataFrame | pd.Series):  # rows that are equal in what they are sorted by have no order
        rows = value.reset_index().drop(columns="index", errors="ignore").to_dict("records")
        return sorted(plain(rows), key=str)
    if isinstance(value, np.ndarray):
        return [plain(each) for each in value.tolist()]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, bool | int | np.integer | np.bool_ | str) or value is None:
        return str(value)
    return type(value).__name__


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*map(Path, sys.argv[1:]))
