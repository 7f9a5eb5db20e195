#!/usr/bin/env bash
# DVC compares parameters by value, so `1` changed to `1.0`, or `true` to `1`, runs nothing.
#
# Expected: a stage runs again when the type of its parameter changes: the file differs, and so does what the code gets.
# Seen: `dvc status` reports nothing and `dvc repro` skips the stage, because 1 == 1.0 == True in Python. From `true` to `yes`
#   it runs, since YAML 1.2 has text there.
# Why it matters: in scikit-learn `max_features=1` is one column and `max_features=1.0` is all of them. The old model stays, with
#   the new number beside it in git.
# Versions: dvc 3.67.1 of PyPI.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir "$folder/project"
cd "$folder/project"
dvc init --no-scm --quiet
cat > dvc.yaml <<'YAML'
stages:
  train:
    cmd: cat params.yaml > model
    params: [max_features, warm_start]
    outs: [model]
YAML

try() {
  printf 'max_features: %s\nwarm_start: %s\n' "$1" "$2" > params.yaml
  if [ "$(dvc status --quiet; echo $?)" = 0 ]; then status=unchanged; else status=changed; fi
  dvc repro --quiet
  echo "$1 $2: $status, trained with $(paste --serial --delimiters=, model)"
}

{ dvc --version; try 1 true; try 1.0 true; try 1.0 1; try 1.0 yes; } | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
3.67.1
1 true: changed, trained with max_features: 1,warm_start: true
1.0 true: unchanged, trained with max_features: 1,warm_start: true
1.0 1: unchanged, trained with max_features: 1,warm_start: true
1.0 yes: changed, trained with max_features: 1.0,warm_start: yes
SEEN
