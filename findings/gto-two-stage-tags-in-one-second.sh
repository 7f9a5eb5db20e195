#!/usr/bin/env bash
# Of two stage tags that were made in one second, `gto show` and `dvc artifacts get --stage` may take different ones.
#
# Expected: GTO's tags have a counter, `model#production#1`, `model#production#2`, so the assignment with the higher number
#   is the newer one, and DVC, which reads the stage through GTO, gives the model that `gto show` names.
# Seen: the counter is not compared. Tags are ordered by their tagger's time, which git keeps in whole seconds. With #1 on
#   v0.1.0 and #2 on v0.2.0 in one second, `gto show` names v0.1.0 and DVC gives v0.2.0; with the versions the other way round
#   both name v0.1.0. With a second between the two tags both take #2.
# Why it matters: pipelines that write tags with git's plumbing make several in a second. GTO then
#   misses a promotion that DVC follows. Give each tag of a stage a later time than the one before.
# Versions: gto 1.10.1, dvc 3.67.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gto==1.10.1 dvc==3.67.1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$folder" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.invalid GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.invalid
PATH="$folder/venv/bin:$PATH"

at() { export GIT_AUTHOR_DATE="2026-01-01T00:00:0$1Z" GIT_COMMITTER_DATE="2026-01-01T00:00:0$1Z"; }

assign() { # the version of #1 and its second, the version of #2 and its second
  local version
  mkdir "$folder/project"
  cd "$folder/project"
  git init --quiet --initial-branch=main
  dvc init --quiet
  printf 'artifacts:\n  model:\n    path: model.txt\n' >dvc.yaml
  for version in 1 2; do
    at "$version"
    echo "v0.$version.0" >model.txt
    git add --all
    git commit --quiet --message "Release v0.$version.0"
    git tag --annotate --message Release "model@v0.$version.0"
  done
  at "$2"
  git tag --annotate --message Assign "model#production#1" "model@v0.$1.0^{commit}"
  at "$4"
  git tag --annotate --message Assign "model#production#2" "model@v0.$3.0^{commit}"
  dvc artifacts get . model --stage production --out got --quiet
  echo "#1 v0.$1.0 at second $2, #2 v0.$3.0 at second $4: gto $(gto show 'model#production' --version), dvc $(cat got)"
  cd "$folder"
  rm -rf "$folder/project"
}
{
  echo "gto $(gto --version | sed 's/.* //'), dvc $(dvc --version)"
  assign 1 5 2 5
  assign 2 5 1 5
  assign 1 5 2 6
  assign 2 5 1 6
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
gto 1.10.1, dvc 3.67.1
#1 v0.1.0 at second 5, #2 v0.2.0 at second 5: gto v0.1.0, dvc v0.2.0
#1 v0.2.0 at second 5, #2 v0.1.0 at second 5: gto v0.1.0, dvc v0.1.0
#1 v0.1.0 at second 5, #2 v0.2.0 at second 6: gto v0.2.0, dvc v0.2.0
#1 v0.2.0 at second 5, #2 v0.1.0 at second 6: gto v0.1.0, dvc v0.1.0
SEEN
