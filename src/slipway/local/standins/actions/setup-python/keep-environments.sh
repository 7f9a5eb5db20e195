#!/usr/bin/env bash
# Let this job use the environments, given as arguments, of its previous run, as a runner of your own would: `uv sync`
# then installs what differs, and removing the job's folder does not remove tens of thousands of files. Each job has its
# own, and so has each VERSION of Python in a matrix, because jobs run at the same time. Programs in an environment begin
# with its path, so uv must know the kept one. mypy verifies its cache too.
set -euo pipefail
[[ -n ${SLIPWAY_ENVIRONMENTS:-} ]] || exit 0
folder=$SLIPWAY_ENVIRONMENTS/$GITHUB_WORKFLOW-$GITHUB_JOB-$VERSION
for environment in "$@"; do
  kept=$folder/$environment
  mkdir -p "$kept" "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$folder"
  ln -sfn "$SLIPWAY_BYTECODE/$environment" "$PYTHONPYCACHEPREFIX$kept"
  ln -sfn "$kept" "$environment"
  mkdir -p .git/info
  echo "/$environment" >>.git/info/exclude # .gitignore matches folders only
done
echo "UV_PROJECT_ENVIRONMENT=$folder/$1" >>"$GITHUB_ENV"
echo "MYPY_CACHE_DIR=$folder/.mypy_cache" >>"$GITHUB_ENV"
