#!/usr/bin/env bash
# A fitted histogram gradient boosting stores the machine's number of threads, so equal models have different bytes.
#
# Expected: `random_state` fixes a model for equal data, parameters and versions. If a machine with more cores fits the same
#   trees, then the file of the estimator is the same too.
# Seen: the trees are equal, but the fitted bin mapper keeps `n_threads`, the number of threads that OpenMP had. A pickle
#   or a skops file of the estimator therefore differs between machines with two and with four cores. No parameter of the
#   estimator sets the number; OMP_NUM_THREADS does.
# Matters for: estimators whose files are compared by hash: stages of DVC, caches by content, and rebuilding a release.
# Versions: scikit-learn 1.9.1, numpy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
cat > fit.py <<'PY'
"""Fit with a fixed seed; print the stored number of threads, and digests of the trees and of the pickled estimator."""
import hashlib
import pickle

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

generator = np.random.default_rng(0)
rows = generator.normal(size=(5_000, 4))
target = (rows[:, 0] + generator.normal(size=5_000) > 0).astype(int)
model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(rows, target)
nodes = [tree.nodes["value"].tobytes() for trees in model._predictors for tree in trees]
digests = [hashlib.sha256(content).hexdigest() for content in (b"".join(nodes), pickle.dumps(model))]
print(model._bin_mapper.n_threads, *digests)
PY
for threads in 2 2 4; do
  OMP_NUM_THREADS=$threads venv/bin/python fit.py
done > printed
{
  echo "stored: $(cut -d' ' -f1 printed | xargs)"
  echo "different trees: $(cut -d' ' -f2 printed | sort -u | wc -l)"
  echo "different files with two threads, twice: $(head -2 printed | cut -d' ' -f3 | sort -u | wc -l)"
  echo "different files with two and four threads: $(cut -d' ' -f3 printed | sort -u | wc -l)"
} | tee seen
diff - seen <<'SEEN'
stored: 2 2 4
different trees: 1
different files with two threads, twice: 1
different files with two and four threads: 2
SEEN
