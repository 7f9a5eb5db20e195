#!/usr/bin/env bash
# `PowerTransformer`, converted by skl2onnx, turns a missing value into an ordinary number far from all others.
#
# Expected: a missing value stays missing, as in scikit-learn, so an imputer or a tree behind the transformer still
#   sees it; or at least both methods do the same.
# Seen: with "box-cox" NaN stays NaN. With "yeo-johnson", the default, NaN becomes a number several deviations below
#   the smallest value that was there.
# Why it matters: an imputer after it has nothing to fill, and a linear model answers a row with a gap as if it had an
#   extreme value. Complete rows agree to 1e-6.
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
from sklearn.preprocessing import PowerTransformer

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
rows = np.array([[1], [2], [4], [9], [np.nan]], np.float32)
for method in ("box-cox", "yeo-johnson"):
    fitted = PowerTransformer(method=method).fit(rows)
    model = to_onnx(fitted, rows[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answered = session.run(None, {"X": rows})[0].ravel()
    print(f"{method}: scikit-learn {np.round(fitted.transform(rows).ravel().astype(float), 2).tolist()}")
    print(f"{method}: ONNX Runtime {np.round(answered.astype(float), 2).tolist()}")
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
box-cox: scikit-learn [-1.34, -0.44, 0.42, 1.36, nan]
box-cox: ONNX Runtime [-1.34, -0.44, 0.42, 1.36, nan]
yeo-johnson: scikit-learn [-1.3, -0.48, 0.4, 1.38, nan]
yeo-johnson: ONNX Runtime [-1.3, -0.48, 0.4, 1.38, -3.0]
SEEN
