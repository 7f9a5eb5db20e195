#!/usr/bin/env bash
# A classifier whose probabilities skl2onnx converts to the last bit has an accuracy of 0.69 instead of 0.94.
#
# Expected: the label is the class with the highest probability, so equal probabilities mean equal labels.
# Seen: `SGDClassifier(loss="modified_huber")` clips the score of each class to [-1, 1] for its probability, and takes
#   the label from the scores before that. Where two scores exceed 1, both classes have a probability of one half, and
#   scikit-learn's label is the class with the larger score. skl2onnx takes the label from the probabilities, hence
#   the first of the equal ones.
# Why it matters: a parity check of probabilities passes with a difference of zero, and a client that reads the label
#   gets a worse model.
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
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnx", "onnxruntime")), sep=", ")
rows, classes = load_iris(return_X_y=True)
rows = StandardScaler().fit_transform(rows).astype(np.float32)
fitted = SGDClassifier(loss="modified_huber", random_state=0).fit(rows, classes)
model = to_onnx(fitted, rows[:1], options={"zipmap": False})
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
labels, probabilities = session.run(None, {"X": rows})
difference = np.abs(fitted.predict_proba(rows) - probabilities).max()
print("largest difference of a probability below 1e-6:", difference < 1e-6)
for name, predicted in (("scikit-learn", fitted.predict(rows)), ("ONNX Runtime", labels)):
    print(f"accuracy in {name}: {(predicted == classes).mean():.2f}")
PY
diff - "$folder/seen" <<'SEEN'
skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.31.1
largest difference of a probability below 1e-6: True
accuracy in scikit-learn: 0.94
accuracy in ONNX Runtime: 0.69
SEEN
