"""Tests of thresholds in ONNX: a row with a float32 value on a threshold takes the same branch as in training."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from slipway.pipeline.onnx_thresholds import rounded_down

TRAIN = np.array([12.82, 12.88] * 50, dtype=np.float32)[:, None]  # split at 12.85
ROWS = np.array([12.84, 12.85, 12.86, np.nan], dtype=np.float32)[:, None]


def in_onnx(estimator) -> np.ndarray:
    graph = to_onnx(estimator, initial_types=[("x", FloatTensorType([None, 1]))], target_opset=21)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([session.get_outputs()[0].name], {"x": ROWS})[0].ravel()


@pytest.mark.parametrize("kind", [HistGradientBoostingRegressor, HistGradientBoostingClassifier])
def test_each_row_takes_the_same_branch(kind):
    estimator = kind(random_state=1).fit(TRAIN, TRAIN.ravel() > 12.85)
    with rounded_down():
        assert estimator.predict(ROWS) == pytest.approx(in_onnx(estimator), abs=1e-6)


def test_skl2onnx_alone_sends_a_row_on_the_threshold_to_the_other_branch():
    estimator = HistGradientBoostingRegressor().fit(TRAIN, TRAIN.ravel() > 12.85)
    different = np.abs(estimator.predict(ROWS) - in_onnx(estimator)) > 0.5
    assert [False, True, False, False] == different.tolist()
