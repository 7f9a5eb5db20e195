#!/usr/bin/env bash
# A date without quotes anywhere in params.yaml stops DVC, also where no stage reads it.
#
# Expected: YAML has dates, DVC reads only the parameters that a stage lists, and so a date under another key is ignored.
# Seen: `dvc params diff` reports an unsupported type and treats every parameter of the file as deleted, with exit status
#   0; `dvc status` ends in "unexpected error". With quotes both work.
# Why it matters: a line such as `until: 2026-01-31` that no stage reads stops the pipeline of the whole repository.
# Versions: dvc 3.67.1, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
mkdir "$folder/project"
cd "$folder/project"
dvc() { DVC_NO_ANALYTICS=1 "$folder/venv/bin/dvc" "$@"; }
git init --quiet .
git config user.name Ada
git config user.email ada@example.org
dvc init --quiet
cat > dvc.yaml <<'YAML'
stages:
  train:
    cmd: echo trained > model
    params: [rate]
    outs: [model]
YAML
echo 'rate: 1' > params.yaml
dvc repro --quiet
git add .
git commit --quiet --message Begin
{
  dvc --version
  for value in "'2026-01-31'" 2026-01-31; do
    printf 'rate: 1\nuntil: %s\n' "$value" > params.yaml
    for command in status "params diff"; do
      status=0
      # shellcheck disable=SC2086  # two words
      dvc $command > "$folder/out" 2>&1 || status=$?
      echo "$command, $value: exit $status, $(grep -c "Unsupported value of type 'date'" "$folder/out" || true) errors"
    done
  done
  grep -o 'rate *1 *-' "$folder/out" | tr -s ' '
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
3.67.1
status, '2026-01-31': exit 0, 0 errors
params diff, '2026-01-31': exit 0, 0 errors
status, 2026-01-31: exit 255, 1 errors
params diff, 2026-01-31: exit 0, 1 errors
rate 1 -
SEEN
