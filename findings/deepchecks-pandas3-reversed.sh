#!/usr/bin/env bash
# On pandas 3, deepchecks' FeatureFeatureCorrelation reverses its outcome; its value stays equal and nothing is raised.
#
# Expected: a check that runs without an error and measures the same value passes as it did before.
# Seen: on pandas 3 it fails, and lists pairs of columns that do not correlate. Its condition filters the correlation matrix
#   with `stack()`, which dropped missing cells up to pandas 2.3 and keeps them in pandas 3. Each cell below the threshold
#   counts as a pair above it.
# Why it matters: a comparison of values before an upgrade shows no difference, and the gate blocks every file after it.
#   Compare outcomes, too.
# Versions: deepchecks 0.19.1, numpy 2.3.5, scikit-learn 1.7.2, pandas 2.3.3 and 3.1.1. deepchecks reads three names that
#   numpy 2 removed; the script restores them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/check.py" <<'PYTHON'
import warnings

warnings.simplefilter("ignore")
import numpy as np

np.Inf, np.NaN, np.NINF = np.inf, np.nan, -np.inf
import pandas as pd
from deepchecks.tabular import Dataset, checks

random = np.random.default_rng(0)
frame = pd.DataFrame({"a": random.normal(size=300), "b": random.normal(size=300), "c": random.normal(size=300)})
check = checks.FeatureFeatureCorrelation().add_condition_max_number_of_pairs_above_threshold(0.9, 0)
result = check.run(Dataset(frame, cat_features=[]))
largest = result.value.where(~np.eye(3, dtype=bool)).abs().max().max()
condition = result.conditions_results[0]
print(f"pandas {pd.__version__}: largest correlation {largest:.3f}: {condition.category.name}: {condition.details}")
PYTHON

python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" deepchecks==0.19.1 numpy==2.3.5 scikit-learn==1.7.2 plotly==5.24.1 setuptools==80.9.0 pandas==2.3.3
"$folder/venv/bin/python" "$folder/check.py" 2>/dev/null >"$folder/observed"
"${pip[@]}" pandas==3.1.1
"$folder/venv/bin/python" "$folder/check.py" 2>/dev/null >>"$folder/observed"

cat >"$folder/expected" <<'EXPECTED'
pandas 2.3.3: largest correlation 0.058: PASS: All correlations are less than 0.9 except pairs []
pandas 3.1.1: largest correlation 0.058: FAIL: Correlation is greater than 0.9 for pairs [('a', 'b'), ('a', 'c'), ('b', 'c')]
EXPECTED
cat "$folder/observed"
diff "$folder/expected" "$folder/observed" && echo "as seen before"
