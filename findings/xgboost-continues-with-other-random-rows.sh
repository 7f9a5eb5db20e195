#!/usr/bin/env bash
# XGBoost continues a saved model with other random rows than an unbroken training, also with `seed_per_iteration`.
#
# Expected: `fit(xgb_model=saved)` with the remaining trees gives the model of an unbroken training, as it does byte for byte
#   without sampling; if need be with `seed_per_iteration`, "seed PRNG determined via iterator number".
# Seen: with `subsample` or `colsample_bytree` below 1 the result differs, predictions included, and `seed_per_iteration`
#   changes nothing of that. The model keeps neither the state of the generator nor its place.
# Why it matters: sampling is how most boosted models are trained. A training that continues after a kill is then not
#   reproducible. Without sampling it is; with sampling, keep to full rows and columns or accept another model.
# Versions: xgboost-cpu 3.2.0, scikit-learn 1.9.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xgboost-cpu==3.2.0 scikit-learn==1.9.1
cat >"$folder/continue.py" <<'PY'
import numpy as np
import xgboost

print("xgboost", xgboost.__version__)
draw = np.random.default_rng(1)
rows = draw.normal(size=(3000, 5))
labels = (rows[:, 0] + rows[:, 1] ** 2 + draw.normal(size=3000) > 0.5).astype(int)


def content(booster):
    return bytes(booster.save_raw("ubj"))


def predict(booster):
    return booster.predict(xgboost.DMatrix(rows))


for options in ({}, {"subsample": 0.5}, {"colsample_bytree": 0.6}, {"subsample": 0.5, "seed_per_iteration": True}):
    options |= {"random_state": 1, "n_jobs": 1}
    unbroken = xgboost.XGBClassifier(n_estimators=20, **options).fit(rows, labels).get_booster()
    saved = content(xgboost.XGBClassifier(n_estimators=10, **options).fit(rows, labels).get_booster())
    booster = xgboost.Booster()
    booster.load_model(bytearray(saved))
    model = xgboost.XGBClassifier(n_estimators=10, **options).fit(rows, labels, xgb_model=booster)
    continued = model.get_booster()
    named = {name: value for name, value in options.items() if name not in ("random_state", "n_jobs")}
    print(f"{named}: {continued.num_boosted_rounds()} trees, equal: {np.array_equal(predict(unbroken), predict(continued))}")
PY
"$folder/venv/bin/python" "$folder/continue.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
xgboost 3.2.0
{}: 20 trees, equal: True
{'subsample': 0.5}: 20 trees, equal: False
{'colsample_bytree': 0.6}: 20 trees, equal: False
{'subsample': 0.5, 'seed_per_iteration': True}: 20 trees, equal: False
SEEN
