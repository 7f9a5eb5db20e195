"""Stage `export`: conversion of the trained estimator to a model for serving, and the parity of the two.

`python -m slipway.pipeline.export TRAINED PREPARED MODEL METRICS`
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import predictor
from slipway.errors import DataError, reported_by
from slipway.evaluation.parity import differences
from slipway.files import write_json
from slipway.pipeline import onnx_converters, onnx_thresholds, skops_file
from slipway.pipeline.tables import FeatureBatches, row_count, take
from slipway.pipeline.time_limit import OverTimeError, time_limit
from slipway.schema.columns import Column, columns
from slipway.schema.derived_rows import derived_rows
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from sklearn.base import BaseEstimator

    from slipway.settings.training import ExportSection

REASON_LENGTH_MAX = 200  # characters; messages of skl2onnx are long


def export(trained: Path, prepared: Path, model: Path, metrics: Path) -> None:
    """Write the model in ONNX, or in skops where ONNX cannot express it, and its parity with the trained model.

    Parity is measured on every test row, and on rows that `Row` allows and the test rows may lack. Raises UserError
    after writing when the difference exceeds `export.parity_tolerance`.
    """
    settings = read_settings().export
    estimator = skops_file.load(trained, settings.trusted_types)
    test = prepared / "test.parquet"
    parity, why_not_onnx = write_model(estimator, model, FeatureBatches(test), settings)
    written = {
        "format": predictor.signature(model)["format"],
        "parity": f"{parity.difference:.3e}",
        "rows": row_count(test),
        "derived_rows": parity.derived_rows,
        "bytes": sum(file.stat().st_size for file in model.iterdir()),
    }
    write_json(metrics, written | ({"why_not_onnx": why_not_onnx} if why_not_onnx else {}))
    if not parity.difference <= settings.parity_tolerance:
        raise DataError(
            f"{model}: differs from the trained model by {parity}; export.parity_tolerance in params.yaml allows"
            f" {settings.parity_tolerance:.1e}; find the column that float32 cannot hold"
        )


@dataclass(frozen=True)
class Parity:
    """Largest difference between the predictions of the trained and the exported model, and the rows that have it."""

    difference: float
    rows: str
    derived_rows: int

    def __str__(self) -> str:
        return f"{self.difference:.1e} on {self.rows}"


def write_model(
    estimator: BaseEstimator, model: Path, batches: Iterable[pd.DataFrame], settings: ExportSection
) -> tuple[Parity, str]:
    """Write the fitted estimator and its signature into the new folder `model`: in ONNX, or else in skops.

    batches: the features of the test rows, in any number of passes.
    Returns its parity on the test rows and on rows derived from them, and a one-line reason where it is not in ONNX.
    One reason is that the ONNX model returns different predictions: skl2onnx converts some estimators incorrectly,
    without a warning. Raises UserError where the estimator cannot score a row that `Row` allows, or where skops has to
    load types that `export.trusted_types` does not list.
    """
    expected = _expected(estimator, batches)
    try:
        with time_limit(settings.conversion_seconds):
            content = _to_onnx(estimator)
        _write(model, "onnx", _signature(estimator), content)
        parity = _parity(expected, model)
        if parity.difference <= settings.parity_tolerance:
            return parity, ""
        why = f"its predictions would differ by {parity}"
    except (Exception, OverTimeError) as error:  # noqa: BLE001  skops is the fallback for any error
        why = f"{type(error).__name__}: {error}".splitlines()[0][:REASON_LENGTH_MAX]
    content = skops_file.dumps(estimator)
    skops_file.require_trusted(str(model), skops_file.types(content), settings.trusted_types)
    _write(model, "skops", _signature(estimator) | {"trusted_types": settings.trusted_types}, content)
    return _parity(expected, model), why


def _write(model: Path, model_format: str, signature: Mapping[str, Any], content: bytes) -> None:
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    (model / predictor.FILES[model_format]).write_bytes(content)
    write_json(model / predictor.SIGNATURE, {"format": model_format, **signature})


TEST_ROWS = "the test rows"


def _expected(estimator: BaseEstimator, batches: Iterable[pd.DataFrame]) -> dict[str, _Scored]:
    """Return the test rows and the rows derived from them, with the estimator's predictions of each batch, by name."""
    derived = derived_rows(partial(take, batches), sum(map(len, batches)), problem.Row)
    expected: dict[str, _Scored] = {}
    for name, rows in {TEST_ROWS: batches, **{name: [rows] for name, rows in derived.items()}}.items():
        try:
            expected[name] = _Scored(rows, [predictor.score(estimator, batch, problem.TASK) for batch in rows])
        except Exception as error:  # noqa: BLE001  any error would also occur in production
            raise DataError(
                f"src/problem/model.py: the trained model cannot score rows with {name}, which Row allows"
                f" ({type(error).__name__}: {error}".splitlines()[0][:REASON_LENGTH_MAX]
                + "); handle them in build_model, or narrow Row"
            ) from None
    return expected


@dataclass(frozen=True)
class _Scored:
    """Rows in batches, with the predictions for each batch."""

    batches: Iterable[pd.DataFrame]
    scores: Sequence[np.ndarray]


def _parity(expected: Mapping[str, _Scored], model: Path) -> Parity:
    """Return the largest difference between the expected predictions and those of the exported model."""
    scorer = predictor.load(model)
    largest = {name: _largest(scored, scorer) for name, scored in expected.items()}
    worst = max(largest, key=lambda name: (np.isnan(largest[name]), largest[name]))
    derived = sum(len(scores) for name, scored in expected.items() if name != TEST_ROWS for scores in scored.scores)
    return Parity(largest[worst], worst if worst == TEST_ROWS else f"rows with {worst}", derived)


def _largest(scored: _Scored, scorer: predictor.Predictor) -> float:
    """Return the largest difference on any row; NaN if any is."""
    differing = [
        differences(scores, scorer.predict({str(column): rows[column].to_numpy() for column in rows})).max()
        for rows, scores in zip(scored.batches, scored.scores, strict=True)
    ]
    return float(np.max(differing))


@onnx_thresholds.rounded_down()
def _to_onnx(estimator: BaseEstimator) -> bytes:
    """Return the estimator in ONNX. Raises errors of skl2onnx where ONNX cannot express a step."""
    from skl2onnx import to_onnx

    onnx_converters.register(estimator)
    options = {} if problem.TASK == "regression" else {id(estimator): {"zipmap": False}}
    inputs = [(column.name, _onnx_type(column)) for column in columns(problem.Row)]
    graph = to_onnx(estimator, initial_types=inputs, target_opset=onnx_converters.OPSETS, options=options)
    versions = sorted(graph.opset_import, key=lambda opset: opset.domain)  # a set, so its order varies
    del graph.opset_import[:]
    graph.opset_import.extend(versions)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


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
