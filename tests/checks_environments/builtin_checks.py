"""Runner of every built-in check of deepchecks on two frames.

`python builtin_checks.py REQUEST ANSWER`, both JSON, in the environment of the checks. The request has "reference" and
"new" (Parquet files), "label", "task", "categories", "time" and "predictions". Predictions come from outside, because
the environments may fit different models. Only a check that rejects predictions gets a model of its environment. Each
check runs with all of its conditions.
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
"""Value of condition arguments without a default."""


def main(request_file: Path, answer_file: Path) -> None:
    """Run all checks of the request and write the answer."""
    restore_numpy_1()
    request = json.loads(request_file.read_text(encoding="utf-8"))
    reference, new = (pd.read_parquet(request[side]) for side in ("reference", "new"))
    sides = {"train_dataset": dataset(reference, request), "test_dataset": dataset(new, request)}
    names = list(features(reference, request).columns)
    equal = pd.Series(1 / len(names), index=names)  # otherwise deepchecks permutes columns until a time limit
    predicted = {name: np.array(values) for name, values in request["predictions"].items()}
    answer = {}
    for name, check in builtin_checks():
        answer[name] = outcome(check, **sides, **predicted)
        if any("error" in result for result in answer[name]):
            answer[name] = outcome(check, **sides, model=fit(reference, request), feature_importance=equal)
    answer_file.write_text(json.dumps(answer), encoding="utf-8")


def builtin_checks() -> list[tuple[str, Any]]:
    """Return every check that a suite accepts, with its conditions, or the error of its construction."""
    from deepchecks.tabular import ModelComparisonCheck, checks

    classes = [(name, getattr(checks, name)) for name in sorted(checks.__all__)]
    return [(name, constructed(check)) for name, check in classes if not issubclass(check, ModelComparisonCheck)]


def constructed(check_class: type) -> Any:
    """Return the check with every condition that it offers, or the error of its construction."""
    try:
        check = check_class(**required(check_class.__init__))
        for name in sorted(dir(check)):
            if name.startswith("add_condition_"):
                method = getattr(check, name)
                method(**required(method))
    except Exception as error:  # noqa: BLE001  errors are compared too
        return error
    return check


def required(function: Any) -> dict[str, Any]:
    """Return values for the arguments without a default."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [item for name, item in inspect.signature(function).parameters.items() if name != "self"]
    return {item.name: THRESHOLD for item in parameters if item.kind in kinds and item.default is item.empty}


def dataset(frame: pd.DataFrame, request: dict[str, Any]) -> Any:
    """Return the frame as a deepchecks data set."""
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
    """Return the columns that a model reads."""
    return frame.drop(columns=[name for name in (request["label"], request["time"]) if name])


def fit(frame: pd.DataFrame, request: dict[str, Any]) -> Any:
    """Return a small fitted model of the task, with a fixed seed."""
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
    """Return predictions of both frames, as arguments of `Suite.run`."""
    predicted = {}
    for side, frame in (("train", reference), ("test", new)):
        predicted[f"y_pred_{side}"] = model.predict(features(frame, request))
        if request["task"] != "regression":
            predicted[f"y_proba_{side}"] = model.predict_proba(features(frame, request))
    return predicted


def outcome(check: Any, **arguments: Any) -> list[dict[str, Any]]:
    """Return value and conditions of each result of a check, or the error that it raised."""
    from deepchecks.tabular import Suite

    if isinstance(check, Exception):
        return [{"error": f"{type(check).__name__}: {check}"}]
    seed()
    try:
        results = Suite("single check", check).run(**arguments, with_display=False).results
    except Exception as error:  # noqa: BLE001  errors are compared too
        return [{"error": f"{type(error).__name__}: {error}"}]
    return [described(result) for result in results]


def described(result: Any) -> dict[str, Any]:
    """Return a result as JSON, with all digits of its value."""
    if hasattr(result, "exception"):
        return {"error": f"{type(result.exception).__name__}: {result.exception}"}
    conditions = [[item.name, item.category.name, item.details] for item in result.conditions_results]
    return {"value": plain(result.value), "conditions": conditions}


def plain(value: Any) -> Any:
    """Return the value as JSON, with floats as text with all digits."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame | pd.Series):  # rows with equal sort keys have no order
        rows = value.reset_index().drop(columns="index", errors="ignore").to_dict("records")
        return sorted(plain(rows), key=str)
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, bool | int | np.integer | np.bool_ | str) or value is None:
        return str(value)
    return type(value).__name__


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*map(Path, sys.argv[1:]))
