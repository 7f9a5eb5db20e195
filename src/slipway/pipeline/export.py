"""Stage `export`: the trained estimator as a model that a service can run, and how far the two differ.

`python -m slipway.pipeline.export TRAINED PREPARED MODEL METRICS`
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import predictor
from slipway.derived_rows import derived_rows
from slipway.errors import UserError, reported_by
from slipway.files import write_json
from slipway.pipeline import onnx_thresholds, skops_file
from slipway.pipeline.tables import read_rows
from slipway.pipeline.time_limit import OverTimeError, time_limit
from slipway.schema import Column, columns
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from sklearn.base import BaseEstimator

OPSET = 21  # of ONNX; ONNX Runtime 1.31 runs it, and skl2onnx 1.20 writes it
LONGEST_REASON = 200  # characters; skl2onnx explains itself at length


def export(trained: Path, prepared: Path, model: Path, metrics: Path) -> None:
    """Write the model in ONNX, or in skops where ONNX cannot express it, and its parity with the trained model.

    Parity is measured on every test row and on rows that `Row` allows and the test rows may lack. Raises UserError,
    after the parity is written, when it is above `export.parity_tolerance`.
    """
    params = read_params()["export"]
    estimator = skops_file.load(trained, params["trusted_types"])
    features, _ = read_rows(prepared / "test.parquet")
    parity, why_not_onnx = write_model(estimator, model, features, params)
    written = {
        "format": predictor.signature(model)["format"],
        "parity": f"{parity.difference:.3e}",
        "rows": len(features),
        "derived_rows": parity.derived_rows,
        "bytes": sum(file.stat().st_size for file in model.iterdir()),
    }
    write_json(metrics, written | ({"why_not_onnx": why_not_onnx} if why_not_onnx else {}))
    if not parity.difference <= params["parity_tolerance"]:
        raise UserError(
            f"{model}: differs from the trained model by {parity}; export.parity_tolerance in params.yaml allows"
            f" {params['parity_tolerance']:.1e}; find the column that float32 cannot hold"
        )


@dataclass(frozen=True)
class Parity:
    """The largest difference between the trained and the exported model, and the rows on which it was found."""

    difference: float
    rows: str
    derived_rows: int

    def __str__(self) -> str:
        return f"{self.difference:.1e} on {self.rows}"


def write_model(
    estimator: BaseEstimator, model: Path, features: pd.DataFrame, params: Mapping[str, Any]
) -> tuple[Parity, str]:
    """Write the fitted estimator and its signature into the new folder `model`: in ONNX, or else in skops.

    Returns its parity on `features` and on rows derived from them, and in a line why it is not in ONNX. Among the
    reasons is that the ONNX model predicts something else: skl2onnx converts some estimators wrongly, without a
    warning. Raises UserError where the estimator itself cannot score a row that `Row` allows, or where skops has to
    load types that `export.trusted_types` does not name.
    """
    expected = _expected(estimator, features)
    try:
        with time_limit(params["conversion_seconds"]):
            content = _to_onnx(estimator)
        _write(model, "onnx", _signature(estimator), content)
        parity = _parity(expected, model)
        if parity.difference <= params["parity_tolerance"]:
            return parity, ""
        why = f"its predictions would differ by {parity}"
    except (Exception, OverTimeError) as error:  # noqa: BLE001  whatever a converter or a runtime raises, skops takes it
        why = f"{type(error).__name__}: {error}".splitlines()[0][:LONGEST_REASON]
    content = skops_file.dumps(estimator)
    skops_file.require_trusted(str(model), skops_file.types(content), params["trusted_types"])
    _write(model, "skops", _signature(estimator) | {"trusted_types": params["trusted_types"]}, content)
    return _parity(expected, model), why


def _write(model: Path, model_format: str, signature: Mapping[str, Any], content: bytes) -> None:
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    (model / predictor.FILES[model_format]).write_bytes(content)
    write_json(model / predictor.SIGNATURE, {"format": model_format, **signature})


TEST_ROWS = "the test rows"


def _expected(estimator: BaseEstimator, features: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Return the test rows and those derived from them, each with what the estimator predicts, by what they are."""
    found = {}
    for name, rows in {TEST_ROWS: features, **derived_rows(features, problem.Row)}.items():
        try:
            found[name] = rows, predictor.score(estimator, rows, problem.TASK)
        except Exception as error:  # noqa: BLE001  whatever the estimator raises, it would raise in production
            raise UserError(
                f"src/problem/model.py: the trained model cannot score rows with {name}, which Row allows"
                f" ({type(error).__name__}: {error}".splitlines()[0][:LONGEST_REASON]
                + "); handle them in build_model, or narrow Row"
            ) from None
    return found


def _parity(expected: Mapping[str, tuple[pd.DataFrame, np.ndarray]], model: Path) -> Parity:
    """Return the largest difference between the expected and the exported model's predictions.

    Relative to the prediction where that is larger than one: float32 keeps seven digits, of minutes as of millions.
    """
    scorer = predictor.load(model)
    differences = {
        name: _difference(scores, scorer.predict({column: rows[column].to_numpy() for column in rows}))
        for name, (rows, scores) in expected.items()
    }
    worst = max(differences, key=lambda name: (np.isnan(differences[name]), differences[name]))
    derived = sum(len(rows) for name, (rows, _) in expected.items() if name != TEST_ROWS)
    return Parity(differences[worst], worst if worst == TEST_ROWS else f"rows with {worst}", derived)


def _difference(expected: np.ndarray, actual: np.ndarray) -> float:
    """Return the largest relative difference; NaN where one side alone has no number."""
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0.0, np.abs(expected - actual) / np.maximum(1, np.abs(expected))).max())


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
    with reported_by("export"):
        export(*map(Path, sys.argv[1:]))
