#!/usr/bin/env bash
# Nearest neighbors with `weights="distance"`, converted by skl2onnx, weigh all neighbors equally, without a warning.
#
# Expected: a neighbor's weight is the inverse of its distance, as in scikit-learn, or the conversion is rejected, as
#   it is for `KNNImputer(weights="distance")`.
# Seen: ONNX Runtime returns the plain mean of the neighbors, and the class of their majority. With
#   `weights="uniform"` both agree.
# Why it matters: where all neighbors have the same outcome nothing differs, so a check of a few rows passes. At a row
#   of the training set scikit-learn returns that row's own outcome, and the converted model does not.
# Versions: skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1, numpy 2.4.6, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6 protobuf==6.33.6
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
from importlib.metadata import version

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
stored = np.array([[0], [1], [2], [5]], np.float32)
rows = np.array([[0], [0.25], [1.25], [4]], np.float32)
for weights in ("uniform", "distance"):
    for estimator, outcome in (
        (KNeighborsRegressor(2, weights=weights), [0, 10, 20, 50]),
        (KNeighborsClassifier(3, weights=weights), [0, 1, 1, 1]),
    ):
        fitted = estimator.fit(stored, outcome)
        model = to_onnx(fitted, stored[:1])
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        answered = session.run(None, {"X": rows})[0].ravel()
        print(f"{type(fitted).__name__}, {weights}: scikit-learn", np.round(fitted.predict(rows), 2), "ONNX", answered)
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
KNeighborsRegressor, uniform: scikit-learn [ 5.  5. 15. 35.] ONNX [ 5.  5. 15. 35.]
KNeighborsClassifier, uniform: scikit-learn [1 1 1 1] ONNX [1 1 1 1]
KNeighborsRegressor, distance: scikit-learn [ 0.   2.5 12.5 40. ] ONNX [ 5.  5. 15. 35.]
KNeighborsClassifier, distance: scikit-learn [0 0 1 1] ONNX [1 1 1 1]
SEEN
