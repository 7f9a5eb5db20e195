"""Predictor of a released model in any format: columns in, predictions out.

The service, the evaluation and the comparison with the champion use the same predictor, so their predictions agree. A
model is a folder with `model.onnx` or `model.skops`, and `signature.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from slipway import onnx_packing, tree_tables
from slipway.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIGNATURE = "signature.json"
ONNX = "model.onnx"
SKOPS = "model.skops"
FILES = {"onnx": ONNX, "skops": SKOPS}
"""File name of a model, by format."""

CPU = "CPUExecutionProvider"

Columns = Mapping[str, Sequence[Any] | np.ndarray]


class Predictor(Protocol):
    """Model that scores rows."""

    signature: dict[str, Any]
    has_tables: bool
    """Whether `slipway.tree_tables` scores many rows. The prediction for a row does not depend on the other rows."""

    def predict(self, columns: Columns) -> np.ndarray:
        """Return the predictions for n rows.

        `columns` has a sequence of n values for each column of the signature. None, or NaN for a number, is missing.
        Returns float64 of shape (n,) with the probability of the positive class (`binary`) or the value (`regression`),
        or of shape (n, k) with the probability of each class in the order of `signature["classes"]` (`multiclass`).
        """


def signature(model_dir: Path) -> dict[str, Any]:
    """Return the signature of the model in `model_dir`: format, task, target, classes and columns."""
    content: dict[str, Any] = json.loads((model_dir / SIGNATURE).read_text(encoding="utf-8"))
    return content


def load(model_dir: Path, provider: str = CPU) -> Predictor:
    """Load the model in `model_dir`, which may have any of the formats in FILES.

    provider: the execution provider of ONNX Runtime, such as `CUDAExecutionProvider`; a model in skops runs on the CPU.
    Raises SettingError where ONNX Runtime lacks it on this machine.
    """
    content = signature(model_dir)
    if content["format"] == "skops":
        return SkopsPredictor(model_dir, content)
    return OnnxPredictor(model_dir, content, provider)


def as_inputs(signature: Mapping[str, Any], columns: Columns) -> dict[str, np.ndarray]:
    """Return the model's inputs by name, each of shape (n, 1): numbers as float32, categories as strings."""
    return {column["name"]: _as_input(column["kind"], columns[column["name"]]) for column in signature["columns"]}


def _as_input(kind: str, values: Sequence[Any] | np.ndarray) -> np.ndarray:
    if kind == "number":
        return np.asarray(values, dtype=np.float32).reshape(-1, 1)  # None becomes NaN
    if isinstance(values, np.ndarray) and values.dtype == object and None not in values:
        return values.reshape(-1, 1)
    return np.array(["" if value is None else value for value in values], dtype=object).reshape(-1, 1)


def _require(provider: str, available: Sequence[str]) -> None:
    """Raise SettingError unless `provider` is available: ONNX Runtime would only warn, and use the CPU instead."""
    if provider not in available:
        raise SettingError(
            f"params.yaml: serving.provider: {provider!r} is not in ONNX Runtime on this machine, which has"
            f" {', '.join(available)}; set one of these, or release with a package that has it"
        )


class OnnxPredictor:
    """Runs `model.onnx` in ONNX Runtime on one thread, because the service processes requests in parallel.

    Tables score many rows of trees where they return the predictions of ONNX Runtime to the last bit.
    """

    def __init__(self, model_dir: Path, signature: dict[str, Any], provider: str = CPU) -> None:
        # ONNX Runtime sends telemetry from a thread with a database unless this is set before the import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        self.signature = signature
        _require(provider, onnxruntime.get_available_providers())
        content = (model_dir / ONNX).read_bytes()
        kinds = {column["name"]: column["kind"] for column in signature["columns"]}
        self._packed = onnx_packing.pack(content, kinds)
        if self._packed:
            content = self._packed.content
            signature = {
                "columns": [column for column in signature["columns"] if column["name"] in self._packed.others]
            }
        self._inputs = signature
        self._run = _session(content, provider)
        self._run_tables = self._tables() if provider == CPU else None
        self.has_tables = self._run_tables is not None

    def predict(self, columns: Columns) -> np.ndarray:
        """See `Predictor.predict`."""
        inputs, order = as_inputs(self._inputs, columns), None
        if self._packed:
            matrix = self._packed.pack(columns)
            if self._run_tables and len(matrix) >= tree_tables.ROWS_MIN:
                return shaped(self.signature["task"], self._run_tables(matrix))
            order = self._packed.order(matrix)
            inputs[self._packed.matrix] = matrix if order is None else matrix[order]
        predictions = shaped(self.signature["task"], self._run(inputs))
        return predictions if order is None else predictions[order.argsort()]

    def _tables(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Return a faster function from the matrix to the scores; None where it would return others."""
        packed = self._packed
        tables = tree_tables.tables_of(packed.content, packed.matrix) if packed and not packed.others else None
        if packed is None or tables is None:
            return None
        rest, sums = _session(tables.rest, CPU), tables.sums

        def run(matrix: np.ndarray) -> np.ndarray:
            return rest({tree_tables.SUMS: sums(matrix)})

        probes = tables.probes(len(packed.features))
        return run if np.array_equal(run(probes), self._run({packed.matrix: probes})) else None


def _session(content: bytes, provider: str) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Return a function that runs a model from its inputs to its last output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=[provider])
    outputs = [session.get_outputs()[-1].name]

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        scores: np.ndarray = session.run(outputs, inputs)[0]
        return scores

    return run


class SkopsPredictor:
    """Runs `model.skops` in scikit-learn, for estimators that ONNX cannot express."""

    has_tables = False

    def __init__(self, model_dir: Path, signature: dict[str, Any]) -> None:
        import skops.io

        self.signature = signature
        self._model = skops.io.load(model_dir / SKOPS, trusted=signature["trusted_types"])

    def predict(self, columns: Columns) -> np.ndarray:
        """See `Predictor.predict`."""
        import pandas as pd

        inputs = as_inputs(self.signature, columns)
        return score(
            self._model, pd.DataFrame({name: values.ravel() for name, values in inputs.items()}), self.signature["task"]
        )


def score(estimator: Any, features: Any, task: str) -> np.ndarray:
    """Return the predictions of a fitted scikit-learn estimator, shaped as `Predictor.predict` documents."""
    scores = estimator.predict(features) if task == "regression" else estimator.predict_proba(features)
    return shaped(task, scores)


def staged(estimator: Any, features: Any, task: str) -> Iterator[np.ndarray]:
    """Yield the result of `score` after each iteration of training; nothing if the estimator does not support it."""
    *preprocessing, (_, last) = getattr(estimator, "steps", [("", estimator)])
    method = "staged_predict" if task == "regression" else "staged_predict_proba"
    if not hasattr(last, method):
        return
    inputs = estimator[:-1].transform(features) if preprocessing else features
    for scores in getattr(last, method)(inputs):
        yield shaped(task, scores)


def shaped(task: str, scores: np.ndarray) -> np.ndarray:
    """Return scores of scikit-learn or ONNX Runtime, shaped as `Predictor.predict` documents."""
    scores = np.asarray(scores, dtype=np.float64)
    if task == "binary":
        return scores[:, 1]
    return scores.reshape(-1) if task == "regression" else scores
