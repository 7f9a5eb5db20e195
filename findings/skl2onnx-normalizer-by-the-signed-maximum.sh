#!/usr/bin/env bash
# `Normalizer(norm="max")`, converted by skl2onnx, divides by the largest value instead of the largest absolute value.
#
# Expected: each row is scaled into [-1, 1], as scikit-learn's documentation says of the maximum norm and does.
# Seen: a row whose largest absolute value is negative is divided by its largest positive value, and leaves [-1, 1]; a
#   row of negative values alone changes its signs. l1 and l2 are right.
# Why it matters: rows of positive values, as most examples have them, agree exactly.
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
from sklearn.preprocessing import Normalizer

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
rows = np.array([[2, 4], [-4, 2], [-1, -2]], np.float32)
for norm in ("l1", "l2", "max"):
    fitted = Normalizer(norm).fit(rows)
    model = to_onnx(fitted, rows[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answered = session.run(None, {"X": rows})[0]
    print(f"{norm}: scikit-learn {np.round(fitted.transform(rows).astype(float), 2).tolist()}")
    print(f"{norm}: ONNX Runtime {np.round(answered.astype(float), 2).tolist()}")
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
l1: scikit-learn [[0.33, 0.67], [-0.67, 0.33], [-0.33, -0.67]]
l1: ONNX Runtime [[0.33, 0.67], [-0.67, 0.33], [-0.33, -0.67]]
l2: scikit-learn [[0.45, 0.89], [-0.89, 0.45], [-0.45, -0.89]]
l2: ONNX Runtime [[0.45, 0.89], [-0.89, 0.45], [-0.45, -0.89]]
max: scikit-learn [[0.5, 1.0], [-1.0, 0.5], [-0.5, -1.0]]
max: ONNX Runtime [[0.5, 1.0], [-2.0, 1.0], [1.0, 2.0]]
SEEN
