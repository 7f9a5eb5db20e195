#!/usr/bin/env bash
# After twelve calls of `partial_fit`, the `n_iter_` of a neural network of scikit-learn is 1; that of its siblings is 12.
#
# Expected: `n_iter_`, "the number of iterations the solver has run", is the place at which a saved network continues: it grows
#   with each epoch, as it does for histogram gradient boosting under `warm_start`.
# Seen: each call of `MLPRegressor.partial_fit` and `MLPClassifier.partial_fit` sets it to 0 before its epoch. `t_` and
#   `loss_curve_` go on. Under `warm_start`, `fit` counts from 0 again as well, and `max_iter` means further epochs, while for
#   gradient boosting it means all of them.
# Why it matters: a loop that continues a checkpoint at `n_iter_ + 1` trains a network for too many epochs, silently, and two
#   kills give another model than none. Count `len(loss_curve_)`.
# Versions: scikit-learn 1.9.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1
cat >"$folder/count.py" <<'PY'
import warnings

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
print("scikit-learn", sklearn.__version__)
draw = np.random.default_rng(1)
rows = draw.normal(size=(400, 3))
target = rows[:, 0] + draw.normal(size=400)

trees = HistGradientBoostingRegressor(warm_start=True, early_stopping=False)
for number in range(1, 13):
    trees.set_params(max_iter=number).fit(rows, target)
print(f"trees after 12 rounds: n_iter_ {trees.n_iter_}")

networks = (MLPRegressor(random_state=1), target, {}), (MLPClassifier(random_state=1), target > 0, {"classes": [False, True]})
for network, labels, options in networks:
    for _ in range(12):
        network.partial_fit(rows, labels, **options)
    epochs = f"n_iter_ {network.n_iter_}, loss_curve_ {len(network.loss_curve_)}, t_ {network.t_ // len(rows)} epochs"
    print(f"{type(network).__name__} after 12 partial_fit: {epochs}")

network = MLPRegressor(random_state=1, warm_start=True, max_iter=3, n_iter_no_change=99)
for _ in range(4):
    network.fit(rows, target)
print(f"MLPRegressor after 4 fits with max_iter=3: n_iter_ {network.n_iter_}, loss_curve_ {len(network.loss_curve_)}")
PY
"$folder/venv/bin/python" "$folder/count.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
scikit-learn 1.9.1
trees after 12 rounds: n_iter_ 12
MLPRegressor after 12 partial_fit: n_iter_ 1, loss_curve_ 12, t_ 12 epochs
MLPClassifier after 12 partial_fit: n_iter_ 1, loss_curve_ 12, t_ 12 epochs
MLPRegressor after 4 fits with max_iter=3: n_iter_ 3, loss_curve_ 12
SEEN
