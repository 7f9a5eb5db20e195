#!/usr/bin/env bash
# skl2onnx converts a classifier with a tuned decision threshold, and the label it returns ignores the threshold.
#
# Expected: TunedThresholdClassifierCV is refused, as FixedThresholdClassifier is, or the ONNX label honors the
#   threshold that was tuned.
# Seen: FixedThresholdClassifier is refused by name. TunedThresholdClassifierCV converts without a warning, its
#   probabilities are right, and every label is that of a threshold of 0.5.
# Why it matters: the threshold was tuned because 0.5 is wrong for the costs or the classes at hand. A parity check of
#   probabilities passes, and the service returns the labels of the untuned classifier.
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
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
rows, target = make_classification(2000, 5, weights=[0.9], random_state=0)
rows = rows.astype(np.float32)
try:
    to_onnx(FixedThresholdClassifier(LogisticRegression(), threshold=0.1).fit(rows, target), rows[:1])
except Exception as error:
    print(f"FixedThresholdClassifier: {type(error).__name__}")
tuned = TunedThresholdClassifierCV(LogisticRegression(), random_state=0).fit(rows, target)
model = to_onnx(tuned, rows[:1], options={"zipmap": False})
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
label, probability = session.run(None, {"X": rows})
print(f"TunedThresholdClassifierCV: the tuned threshold is below 0.4: {bool(tuned.best_threshold_ < 0.4)}")
print(f"probabilities agree: {bool(np.abs(probability - tuned.predict_proba(rows)).max() < 1e-5)}")
print(f"labels agree with scikit-learn's: {bool((label == tuned.predict(rows)).all())}")
print(f"labels are those of a threshold of 0.5: {bool((label == (probability[:, 1] > 0.5)).all())}")
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
FixedThresholdClassifier: MissingShapeCalculator
TunedThresholdClassifierCV: the tuned threshold is below 0.4: True
probabilities agree: True
labels agree with scikit-learn's: False
labels are those of a threshold of 0.5: True
SEEN
