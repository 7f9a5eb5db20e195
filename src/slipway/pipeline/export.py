"""Stage `export`: the trained estimator as a model that a service can run, and how far the two differ.

`python -m slipway.pipeline.export TRAINED PREPARED MODEL METRICS`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import predictor
from slipway.errors import UserError
from slipway.files import write_json
from slipway.pipeline import onnx_thresholds, skops_file
from slipway.pipeline.tables import read_rows
from slipway.schema import Column, columns
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from sklearn.base import BaseEstimator

OPSET = 21  # of ONNX; ONNX Runtime 1.31 runs it, and skl2onnx 1.20 writes it
LONGEST_REASON = 200  # characters; skl2onnx explains itself at length


def export(trained: Path, prepared: Path, model: Path, metrics: Path) -> None:
    """Write the model in ONNX, or in skops where ONNX cannot express it, and its parity on every test row.

    Raises UserError, after the parity is written, when it is past `export.parity_tolerance`.
    """
    params = read_params()["export"]
    estimator = skops_file.load(trained, params["trusted_types"])
    features, _ = read_rows(prepared / "test.parquet")
    difference, why_not_onnx = write_model(estimator, model, features, params)
    written = {
        "format": predictor.signature(model)["format"],
        "parity": f"{difference:.3e}",
        "rows": len(features),
        "bytes": sum(file.stat().st_size for file in model.iterdir()),
    }
    write_json(metrics, written | ({"why_not_onnx": why_not_onnx} if why_not_onnx else {}))
    if not difference <= params["parity_tolerance"]:
        raise UserError(
            f"{model}: differs from the trained model by {difference:.1e} on the test rows; export.parity_tolerance"
            f" in params.yaml allows {params['parity_tolerance']:.1e}; find the column that float32 cannot hold"
        )


def write_model(
    estimator: BaseEstimator, model: Path, features: pd.DataFrame, params: Mapping[str, Any]
) -> tuple[float, str]:
    """Write the fitted estimator and its signature into the new folder `model`: in ONNX, or else in skops.

    Returns its parity on `features`, and in a line why it is not in ONNX. Among the reasons is that the ONNX model
    predicts something else: skl2onnx converts some estimators wrongly, and says nothing.
    """
    try:
        _write(model, "onnx", _signature(estimator), _to_onnx(estimator))
        difference = parity(estimator, model, features)
        if difference <= params["parity_tolerance"]:
            return difference, ""
        why = f"its predictions would differ by {difference:.1e}"
    except Exception as error:  # noqa: BLE001  whatever a converter or a runtime raises, this is no estimator for ONNX
        why = f"{type(error).__name__}: {error}".splitlines()[0][:LONGEST_REASON]
    signature = _signature(estimator) | {"trusted_types": params["trusted_types"]}
    _write(model, "skops", signature, skops_file.dumps(estimator))
    return parity(estimator, model, features), why


def _write(model: Path, model_format: str, signature: Mapping[str, Any], content: bytes) -> None:
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    (model / predictor.FILES[model_format]).write_bytes(content)
    write_json(model / predictor.SIGNATURE, {"format": model_format, **signature})


def parity(estimator: BaseEstimator, model: Path, features: Any) -> float:
    """Largest difference between the estimator's and the exported model's predictions on `features`.

    Relative to the prediction where that is larger than one: float32 keeps seven digits, of minutes as of millions.
    """
    expected = predictor.score(estimator, features, problem.TASK)
    actual = predictor.load(model).predict({name: features[name].to_numpy() for name in features})
    return float((np.abs(expected - actual) / np.maximum(1, np.abs(expected))).max())


@onnx_thresholds.rounded_down()
def _to_onnx(estimator: BaseEstimator) -> bytes:
    """The estimator in ONNX. Raises what skl2onnx raises when ONNX has no words for a step of it."""
    from skl2onnx import to_onnx

    options = {} if problem.TASK == "regression" else {id(estimator): {"zipmap": False}}
    inputs = [(column.name, _onnx_type(column)) for column in columns(problem.Row)]
    graph = to_onnx(estimator, initial_types=inputs, target_opset=OPSET, options=options)
    versions = sorted(graph.opset_import, key=lambda opset: opset.domain)  # out of a set, so in another order each time
    del graph.opset_import[:]
    graph.opset_import.extend(versions)
    return graph.SerializeToString(deterministic=True)


def _onnx_type(column: Column) -> Any:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    return (FloatTensorType if column.kind == "number" else StringTensorType)([None, 1])


def _signature(estimator: BaseEstimator) -> dict[str, Any]:
    return {
        "task": problem.TASK,
        "target": problem.TARGET,
        "classes": [] if problem.TASK == "regression" else np.asarray(estimator.classes_).tolist(),
        "columns": [vars(column) for column in columns(problem.Row)],
    }


if __name__ == "__main__":
    try:
        export(*map(Path, sys.argv[1:]))
    except UserError as error:
        raise SystemExit(f"export: {error}") from None
