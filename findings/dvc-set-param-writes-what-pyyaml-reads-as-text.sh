#!/usr/bin/env bash
# `dvc exp run -S lr=1e-5` writes what PyYAML reads as text, and rewrites lists that nobody named.
#
# Expected: one line of params.yaml changes, and a stage that reads the file with PyYAML gets the number.
# Seen: DVC parses and writes YAML 1.2 through ruamel.yaml. The line becomes `lr: 1e-05`, a number there and text in YAML 1.1,
#   hence for PyYAML. `rows: [1, 10]` comes back over three lines, and the empty line behind it has moved into it. Other values that the
#   two read differently are in the table: DVC tracks 200 for `0200` while the stage computes with 128.
# Why it matters: stages in Python mostly read params.yaml with PyYAML. What DVC records and compares is then not what trained.
# Versions: dvc 3.67.1, pyyaml 6.0.3, ruamel.yaml 0.19.1, all of PyPI.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 pyyaml==6.0.3 ruamel.yaml==0.19.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
git config user.name A
git config user.email a@example.invalid
dvc init --quiet
printf 'lr: 0.1  # why\nrows: [1, 10]  # of a batch\n\nseed: 1\n' > params.yaml
cat > read.py <<'PY'
import yaml
print(repr(yaml.safe_load(open("params.yaml"))["lr"]), file=open("seen", "w"))
PY
printf 'stages:\n  train:\n    cmd: python read.py\n    params: [lr]\n    outs: [seen]\n' > dvc.yaml
git add --all
git commit --quiet --message Begin
dvc exp run --quiet -S lr=1e-5

compare() {
  python - "$@" <<'PY'
import sys
import yaml
from dvc.utils.serialize import parse_yaml
for text in sys.argv[1:]:
    one, other = parse_yaml(f"k: {text}", "")["k"], yaml.safe_load(f"k: {text}")["k"]
    print(f"{text}: DVC {one!r}, PyYAML {other!r}")
PY
}

{
  dvc --version
  cat params.yaml
  echo "the stage read $(cat seen)"
  compare 0200 08 6e-2 1.5e3 no 12:30:00
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
3.67.1
lr: 1e-05 # why
rows:          # of a batch

- 1
- 10
seed: 1
the stage read '1e-05'
0200: DVC 200, PyYAML 128
08: DVC 8, PyYAML '08'
6e-2: DVC 0.06, PyYAML '6e-2'
1.5e3: DVC 1500.0, PyYAML '1.5e3'
no: DVC 'no', PyYAML False
12:30:00: DVC '12:30:00', PyYAML 45000
SEEN
