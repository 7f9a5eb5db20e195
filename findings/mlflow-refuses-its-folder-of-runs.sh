#!/usr/bin/env bash
# MLflow refuses a `file:` tracking URI, the folder `mlruns` that it wrote by default for years.
#
# Expected: `mlflow.set_tracking_uri("file:…")` and `start_run` write a run into the folder, as tutorials show.
# Seen: the first call that needs the store raises MlflowException, and names MLFLOW_ALLOW_FILE_STORE; with this
#   variable, the same code works. With this package alone, a SQLite URI fails, too, as one that the registry of models
#   does not support; so a server or the variable remains.
# Versions: mlflow-skinny 3.17.2, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2
cat >"$folder/run.py" <<'PY'
import os
import sys

import mlflow

folder, kind = sys.argv[1:]
mlflow.set_tracking_uri({"file": f"file:{folder}/mlruns", "sqlite": f"sqlite:///{folder}/runs.db"}[kind])
allowed = "MLFLOW_ALLOW_FILE_STORE" in os.environ
try:
    with mlflow.start_run():
        mlflow.log_param("trees", 60)
    print(kind, "allowed" if allowed else "default", "written")
except Exception as error:
    print(kind, "allowed" if allowed else "default", type(error).__name__, "MLFLOW_ALLOW_FILE_STORE" in str(error))
PY
cd "$folder"
{
  venv/bin/python -c 'from importlib.metadata import version; print("mlflow-skinny", version("mlflow-skinny"))'
  venv/bin/python run.py "$folder" file
  MLFLOW_ALLOW_FILE_STORE=true venv/bin/python run.py "$folder" file
  venv/bin/python run.py "$folder" sqlite
} 2>/dev/null | tee seen
diff seen - <<'SEEN'
mlflow-skinny 3.17.2
file default MlflowException True
file allowed written
sqlite default UnsupportedModelRegistryStoreURIException False
SEEN
