#!/usr/bin/env bash
# A forest that skl2onnx converted is right on complete rows and wrong on rows with a missing value.
#
# Expected: scikit-learn's forests accept NaN since 1.4, the conversion succeeds without a warning and agrees with the
#   estimator on every complete row, so it agrees everywhere.
# Seen: rows with NaN take the other branch of each split. Histogram gradient boosting, converted by the same
#   library, is right.
# Why it matters: a parity check on complete test rows passes at 1e-7, and rows with gaps come in production.
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
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
random = np.random.default_rng(0)
rows = random.normal(size=(2000, 3)).astype(np.float32)
target = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
gaps = rows.copy()
gaps[random.random(rows.shape) < 0.2] = np.nan
for estimator in (
    DecisionTreeClassifier(max_depth=6, random_state=0),
    RandomForestClassifier(20, max_depth=6, random_state=0),
    ExtraTreesClassifier(20, max_depth=6, random_state=0),
    HistGradientBoostingClassifier(max_iter=20, random_state=0),
):
    fitted = estimator.fit(gaps, target)
    model = to_onnx(fitted, rows[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    differences = [
        np.abs(session.run(None, {"X": asked})[1] - fitted.predict_proba(asked)).max() for asked in (rows, gaps)
    ]
    complete, missing = ("equal" if value < 1e-5 else "different" for value in differences)
    print(f"{type(fitted).__name__}: {complete} on complete rows, {missing} on rows with NaN")
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
DecisionTreeClassifier: equal on complete rows, different on rows with NaN
RandomForestClassifier: equal on complete rows, different on rows with NaN
ExtraTreesClassifier: equal on complete rows, different on rows with NaN
HistGradientBoostingClassifier: equal on complete rows, equal on rows with NaN
SEEN
