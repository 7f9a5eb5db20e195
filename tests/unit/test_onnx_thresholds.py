"""A row whose value lies on a threshold, as float32 sees it, goes the same way in ONNX as in training."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from slipway.pipeline.onnx_thresholds import rounded_down

SEEN = np.array([12.82, 12.88] * 50, dtype=np.float32)[:, None]  # split at 12.85
ASKED = np.array([12.84, 12.85, 12.86, np.nan], dtype=np.float32)[:, None]


def in_onnx(estimator) -> np.ndarray:
    graph = to_onnx(estimator, initial_types=[("x", FloatTensorType([None, 1]))], target_opset=21)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([session.get_outputs()[0].name], {"x": ASKED})[0].ravel()


@pytest.mark.parametrize("kind", [HistGradientBoostingRegressor, HistGradientBoostingClassifier])
def test_each_row_goes_the_same_way(kind):
    estimator = kind(random_state=1).fit(SEEN, SEEN.ravel() > 12.85)
    with rounded_down():
        assert estimator.predict(ASKED) == pytest.approx(in_onnx(estimator), abs=1e-6)


def test_left_to_itself_skl2onnx_sends_the_row_on_the_threshold_the_other_way():
    estimator = HistGradientBoostingRegressor().fit(SEEN, SEEN.ravel() > 12.85)
    different = np.abs(estimator.predict(ASKED) - in_onnx(estimator)) > 0.5
    assert [False, True, False, False] == different.tolist()
