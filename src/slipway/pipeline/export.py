"""Stage `export`: the trained estimator as a model that a service can run, and how far the two differ.

`python -m slipway.pipeline.export TRAINED PREPARED MODEL METRICS`
"""

from __future__ import annotations

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
    from sklearn.base import BaseEstimator

OPSET = 21  # of ONNX; ONNX Runtime 1.31 runs it, and skl2onnx 1.20 writes it


def export(trained: Path, prepared: Path, model: Path, metrics: Path) -> None:
    """Write the model in ONNX, or in skops where ONNX cannot express it, and its parity on every test row.

    Raises UserError, after the parity is written, when it is past `export.parity_tolerance`.
    """
    params = read_params()["export"]
    estimator = skops_file.load(trained, params["trusted_types"])
    write_model(estimator, model, params["trusted_types"])
    features, _ = read_rows(prepared / "test.parquet")
    difference = parity(estimator, model, features)
    size = sum(file.stat().st_size for file in model.iterdir())
    write_json(
        metrics,
        {
            "format": predictor.signature(model)["format"],
            "parity": f"{difference:.3e}",
            "rows": len(features),
            "bytes": size,
        },
    )
    if not difference <= params["parity_tolerance"]:
        raise UserError(
            f"{model}: differs from the trained model by {difference:.1e} on the test rows; export.parity_tolerance"
            f" in params.yaml allows {params['parity_tolerance']:.1e}; find the column that float32 cannot hold"
        )


def write_model(estimator: BaseEstimator, model: Path, trusted_types: list[str]) -> None:
    """Write the fitted estimator and its signature into the folder `model`."""
    model.mkdir(parents=True, exist_ok=True)
    graph = _to_onnx(estimator)
    if graph is None:
        skops_file.dump(estimator, model / predictor.SKOPS)
    else:
        (model / predictor.ONNX).write_bytes(graph)
    write_json(model / predictor.SIGNATURE, _signature(estimator, "skops" if graph is None else "onnx", trusted_types))


def parity(estimator: BaseEstimator, model: Path, features: Any) -> float:
    """Largest difference between the estimator's and the exported model's predictions on `features`.

    Relative to the prediction where that is larger than one: float32 keeps seven digits, of minutes as of millions.
    """
    expected = predictor.score(estimator, features, problem.TASK)
    actual = predictor.load(model).predict({name: features[name].to_numpy() for name in features})
    return float((np.abs(expected - actual) / np.maximum(1, np.abs(expected))).max())


@onnx_thresholds.rounded_down()
def _to_onnx(estimator: BaseEstimator) -> bytes | None:
    """The estimator in ONNX, or None when ONNX has no words for a step of it."""
    from skl2onnx import to_onnx
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    options = {} if problem.TASK == "regression" else {id(estimator): {"zipmap": False}}
    inputs = [(column.name, _onnx_type(column)) for column in columns(problem.Row)]
    try:
        graph = to_onnx(estimator, initial_types=inputs, target_opset=OPSET, options=options)
    except (MissingConverter, MissingShapeCalculator, NotImplementedError):
        return None
    versions = sorted(graph.opset_import, key=lambda opset: opset.domain)  # out of a set, so in another order each time
    del graph.opset_import[:]
    graph.opset_import.extend(versions)
    return graph.SerializeToString(deterministic=True)


def _onnx_type(column: Column) -> Any:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    return (FloatTensorType if column.kind == "number" else StringTensorType)([None, 1])


def _signature(estimator: BaseEstimator, model_format: str, trusted_types: list[str]) -> dict[str, Any]:
    signature = {
        "format": model_format,
        "task": problem.TASK,
        "target": problem.TARGET,
        "classes": [] if problem.TASK == "regression" else np.asarray(estimator.classes_).tolist(),
        "columns": [vars(column) for column in columns(problem.Row)],
    }
    return signature | ({"trusted_types": trusted_types} if model_format == "skops" else {})


if __name__ == "__main__":
    try:
        export(*map(Path, sys.argv[1:]))
    except UserError as error:
        raise SystemExit(f"export: {error}") from None
