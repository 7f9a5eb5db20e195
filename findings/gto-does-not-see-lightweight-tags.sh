#!/usr/bin/env bash
# GTO does not see a lightweight tag, yet cannot register the version that it names.
#
# Expected: GTO's documentation calls its registry "Git tags", so `git tag model@v0.0.1` registers the version, or GTO says
#   why it does not.
# Seen: `gto show` and DVC's artifacts, which ask GTO, find nothing and say nothing of the tag. `gto register` then
#   chooses the very version of that tag and fails, because the tag exists. The same name as an annotated tag is seen.
# Why it matters: `git tag NAME` makes a lightweight tag, and so do many release tools. A version that is released by such
#   a tag is missing from the registry, and the next registration by GTO fails for a version that `gto show` denies.
#   Make the tags of GTO with `git tag --annotate`, or with `git mktag`.
# Versions: gto 1.10.1, dvc 3.67.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gto==1.10.1 dvc==3.67.1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$folder" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.invalid GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.invalid
PATH="$folder/venv/bin:$PATH"
mkdir "$folder/project"
cd "$folder/project"
git init --quiet --initial-branch=main
dvc init --quiet
printf 'artifacts:\n  model:\n    path: model.txt\n' >dvc.yaml
echo "a model" >model.txt
git add --all
git commit --quiet --message "Train"

ask() {
  echo "$1: gto show --json: $(gto show --json | tr -d ' \n' | cut -c 1-30)"
  if dvc artifacts get . model --rev v0.0.1 --out got --quiet; then
    echo "$1: dvc artifacts get: $(cat got)"
  else
    echo "$1: dvc artifacts get fails"
  fi
}
{
  echo "gto $(gto --version | sed 's/.* //'), dvc $(dvc --version)"
  git tag model@v0.0.1
  ask lightweight
  if gto register model >"$folder/output" 2>&1; then echo "lightweight: registered"; fi
  grep -o "tag 'model@v0.0.1' already exists" "$folder/output" | sed 's/^/lightweight: gto register: /'
  git tag --delete model@v0.0.1 >/dev/null
  git tag --annotate --message Release model@v0.0.1
  ask annotated
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
gto 1.10.1, dvc 3.67.1
lightweight: gto show --json: {}
lightweight: dvc artifacts get fails
lightweight: gto register: tag 'model@v0.0.1' already exists
annotated: gto show --json: {"model":{"version":"v0.0.1","
annotated: dvc artifacts get: a model
SEEN
