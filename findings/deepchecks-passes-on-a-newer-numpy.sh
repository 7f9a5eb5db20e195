#!/usr/bin/env bash
# With numpy 2.4, a deepchecks suite that fails on numpy 2.3 passes: its check no longer runs.
#
# Expected: where a check cannot run, its suite does not pass.
# Seen: OutlierSampleDetection calls `np.quantile(interpolation=…)`, which numpy 2.4 removed. The check raises TypeError, the
#   suite keeps it as a failure to run, and `SuiteResult.passed()` ignores it: the outlier that was found before passes.
#   `passed(fail_if_check_not_run=True)` is False on both.
# Why it matters: the package has no upper bound on numpy, so an ordinary update of the lock opens the gate. Pass
#   `fail_if_check_not_run=True`, and count the checks that ran.
# Versions: deepchecks 0.19.1, pandas 2.3.3, scikit-learn 1.7.2, numpy 2.3.5 and 2.4.6. deepchecks reads three names that
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
from deepchecks.tabular import Dataset, Suite, checks

random = np.random.default_rng(0)
frame = pd.DataFrame({"a": random.normal(size=200), "b": random.normal(size=200)})
frame.loc[0] = [1000, -1000]
check = checks.OutlierSampleDetection().add_condition_outlier_ratio_less_or_equal(0, 0.5)
result = Suite("outliers", check).run(Dataset(frame, cat_features=[]))
first = result.results[0]
cause = f"did not run, {type(first.exception).__name__}" if hasattr(first, "exception") else first.conditions_results[0].category.name
print(f"numpy {np.__version__}: check: {cause}; suite passed: {result.passed()}; with fail_if_check_not_run: {result.passed(fail_if_check_not_run=True)}")
PYTHON

python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" deepchecks==0.19.1 numpy==2.3.5 scikit-learn==1.7.2 plotly==5.24.1 setuptools==80.9.0 pandas==2.3.3
"$folder/venv/bin/python" "$folder/check.py" 2>/dev/null | grep -o 'numpy.*' >"$folder/observed"
"${pip[@]}" numpy==2.4.6
"$folder/venv/bin/python" "$folder/check.py" 2>/dev/null | grep -o 'numpy.*' >>"$folder/observed"

cat >"$folder/expected" <<'EXPECTED'
numpy 2.3.5: check: WARN; suite passed: False; with fail_if_check_not_run: False
numpy 2.4.6: check: did not run, TypeError; suite passed: True; with fail_if_check_not_run: False
EXPECTED
cat "$folder/observed"
diff "$folder/expected" "$folder/observed" && echo "as seen before"
