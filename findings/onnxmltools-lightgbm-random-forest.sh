#!/usr/bin/env bash
# A random forest of LightGBM that onnxmltools converted returns other probabilities; boosted trees are right.
#
# Expected: onnxmltools converts LightGBM's classifiers and regressors, so the conversion of boosting_type="rf" either
#   fails or agrees with LightGBM.
# Seen: the conversion succeeds without a warning, and the probabilities of the classifier differ by more than 0.5. The
#   same library converts gbdt, dart and a Poisson regression correctly, also on rows with NaN.
# Why it matters: changing one parameter in a tuned search space makes a release predict something else.
# Versions: onnxmltools 1.16.0, lightgbm 4.7.0, skl2onnx 1.20.0, onnx 1.23.2, onnxruntime 1.31.1, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxmltools==1.16.0 lightgbm==4.7.0 \
  skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6 protobuf==6.33.6 pandas==3.1.1
"$folder/venv/bin/python" -W ignore - <<'PY' | tee "$folder/seen"
from importlib.metadata import version

import numpy as np
import onnxruntime
from lightgbm import LGBMClassifier, LGBMRegressor
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

print(*(f"{name} {version(name)}" for name in ("onnxmltools", "lightgbm", "onnxruntime")), sep=", ")
random = np.random.default_rng(0)
rows = random.normal(size=(2000, 3)).astype(np.float32)
value = np.abs(rows[:, 0] + rows[:, 1] * rows[:, 2])
rows[random.random(rows.shape) < 0.2] = np.nan
common = {"n_estimators": 20, "n_jobs": 1, "random_state": 0, "verbose": -1}
for estimator, target in (
    (LGBMClassifier(**common), (value > 1).astype(int)),
    (LGBMClassifier(boosting_type="dart", **common), (value > 1).astype(int)),
    (LGBMRegressor(objective="poisson", **common), value),
    (LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **common), (value > 1).astype(int)),
):
    fitted = estimator.fit(rows, target)
    options = {"zipmap": False} if isinstance(fitted, LGBMClassifier) else {}
    model = convert_lightgbm(
        fitted, initial_types=[("rows", FloatTensorType([None, 3]))], target_opset=15, **options
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    actual = session.run(None, {"rows": rows})[-1]
    expected = fitted.predict_proba(rows) if options else fitted.predict(rows)
    difference = np.abs(actual.reshape(expected.shape) - expected).max()
    name = f"{type(fitted).__name__} {fitted.get_params()['boosting_type']} {fitted.objective_}"
    print(f"{name}: {'equal' if difference < 1e-5 else 'different by more than 0.5' if difference > 0.5 else difference}")
PY
diff - "$folder/seen" <<'SEEN'
onnxmltools 1.16.0, lightgbm 4.7.0, onnxruntime 1.31.1
LGBMClassifier gbdt binary: equal
LGBMClassifier dart binary: equal
LGBMRegressor gbdt poisson: equal
LGBMClassifier rf binary: different by more than 0.5
SEEN
