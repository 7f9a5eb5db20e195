"""The released model as its format's own library runs it, without what `slipway.predictor` adds for speed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from slipway import predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from pydantic import BaseModel

    from slipway.predictor import Columns


def load(model_dir: Path) -> Callable[[Columns], np.ndarray]:
    """Return a function that predicts for columns, as `predictor.load` does, with an input tensor per column."""
    signature = predictor.signature(model_dir)
    if signature["format"] != "onnx":
        return predictor.load(model_dir).predict
    run = onnx_session(model_dir)
    return lambda columns: predictor.shaped(signature["task"], run(predictor.as_inputs(signature, columns)))


def onnx_session(model_dir: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Return a function that runs `model.onnx` in ONNX Runtime on one thread, from arrays by name."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as in the service, which makes it faster
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_dir / predictor.ONNX, options, providers=[predictor.CPU])
    outputs = [session.get_outputs()[-1].name]

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        scores: np.ndarray = session.run(outputs, inputs)[0]
        return scores

    return run


def as_columns(row: BaseModel) -> dict[str, list[Any]]:
    """Return a row as columns of one value."""
    return {name: [value] for name, value in row.model_dump().items()}
