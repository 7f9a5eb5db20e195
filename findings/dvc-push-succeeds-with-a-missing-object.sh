#!/usr/bin/env bash
# `dvc push` exits with 0 although it could not push an object, and does not push the folder's list at all.
#
# Expected: a push that cannot bring everything to the remote fails, as `git push` does, so `dvc push && deploy` is safe.
# Seen: with one file of a tracked folder gone from the cache, `dvc push` warns, pushes the other file, leaves out the
#   list that makes the folder whole, and exits with 0. With `--quiet` not even the warning is left. The remote then
#   holds a folder that no clone can pull. `dvc status --cloud` exits with 0 as well.
# Why it matters: a pipeline that pushes and then publishes a version publishes one that cannot be restored.
# Versions: DVC 3.67.1, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export DVC_NO_ANALYTICS=1
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
PATH=$folder/venv/bin:$PATH
mkdir "$folder/project" "$folder/remote"
cd "$folder/project"
{
  dvc --version
  dvc init --no-scm --quiet
  dvc remote add --default --quiet store "$folder/remote"
  mkdir data
  echo one >data/one
  echo two >data/two
  dvc add --quiet data
  hash=$(md5sum data/two | cut -c 1-32)
  rm -rf data ".dvc/cache/files/md5/${hash:0:2}/${hash:2}"
  dvc push >"$folder/log" 2>&1 && echo "push: exit 0"
  dvc push --quiet >"$folder/quiet" 2>&1 && echo "push --quiet: exit 0, $(wc -l <"$folder/quiet") lines"
  grep -c 'cache files do not exist' "$folder/log" | sed 's/^/warnings: /'
  echo "objects on the remote: $(find "$folder/remote" -type f | wc -l), lists of a folder: $(find "$folder/remote" -name '*.dir' | wc -l)"
  dvc status --cloud >/dev/null 2>&1 && echo "status --cloud: exit 0"
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
3.67.1
push: exit 0
push --quiet: exit 0, 0 lines
warnings: 1
objects on the remote: 1, lists of a folder: 0
status --cloud: exit 0
SEEN
