#!/usr/bin/env bash
# skl2onnx converts histogram gradient boosting with categorical features, without a warning, to a different model.
#
# Expected: the converter supports `categorical_features`, or rejects it, as it rejects a OneHotEncoder with
#   infrequent categories.
# Seen: the conversion succeeds. All three categories with a high outcome get a low prediction, and one with a low
#   outcome gets a high one. The same model without `categorical_features` is right.
# Why it matters: the default `categorical_features="from_dtype"` makes a column of dtype category enough. The file
#   loads, answers every row, and its predictions stay in the range of the outcome.
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
from sklearn.ensemble import HistGradientBoostingRegressor

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
random = np.random.default_rng(0)
rows = random.integers(0, 8, size=(2000, 1)).astype(np.float32)
outcome = np.isin(rows[:, 0], [1, 4, 6]).astype(float)
asked = np.arange(8, dtype=np.float32)[:, None]
for categorical in (None, [0]):
    fitted = HistGradientBoostingRegressor(categorical_features=categorical, max_iter=100).fit(rows, outcome)
    model = to_onnx(fitted, rows[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    print(f"categorical_features={categorical}")
    print("  scikit-learn", (fitted.predict(asked) > 0.5).astype(int))
    print("  ONNX Runtime", (session.run(None, {"X": asked})[0].ravel() > 0.5).astype(int))
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
categorical_features=None
  scikit-learn [0 1 0 0 1 0 1 0]
  ONNX Runtime [0 1 0 0 1 0 1 0]
categorical_features=[0]
  scikit-learn [0 1 0 0 1 0 1 0]
  ONNX Runtime [1 0 0 0 0 0 0 0]
SEEN
