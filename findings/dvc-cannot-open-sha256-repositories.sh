#!/usr/bin/env bash
# DVC and GTO cannot work in a Git repository with SHA-256 object names, and say it as an internal error.
#
# Expected: what git itself opens, tools on top of git open too, or they name the object format and what to do.
# Seen: after `git init --object-format=sha256`, git works. `dvc init` ends in "unexpected error - … unknown object
#   format 'sha256'", and `gto show` asks to report a bug. `GIT_DEFAULT_HASH=sha256` in the environment is
#   enough: the same `git init` that worked yesterday makes a repository that they cannot open.
# Why it matters: git's own notes on breaking changes name SHA-256 as the default of Git 3.0, so a pipeline that creates
#   repositories (demos, tests, templates) should pass `--object-format=sha1` as long as DVC reads them.
# Versions: dvc 3.67.1, gto 1.10.1; git 2.29 or later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gto==1.10.1 dvc==3.67.1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$folder" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.invalid GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.invalid
PATH="$folder/venv/bin:$PATH"

try() { # a name, then what makes the repository
  local name=$1
  shift
  mkdir "$folder/$name"
  cd "$folder/$name"
  "$@"
  git commit --quiet --allow-empty --message "Begin"
  echo "$name: git names commits by $(git rev-parse HEAD | tr -d '\n' | wc -c) digits"
  for command in "dvc init" "gto show"; do
    # shellcheck disable=SC2086
    if $command >"$folder/output" 2>&1; then
      echo "$name: $command: exit 0"
    else
      echo "$name: $command: $(grep -oiE "unexpected error|unknown object format 'sha256'" "$folder/output" | paste -s -d ' ')"
    fi
  done
}
{
  echo "dvc $(dvc --version), gto $(gto --version | sed 's/.* //')"
  try sha1 git init --quiet --object-format=sha1
  try sha256 git init --quiet --object-format=sha256
  try variable env GIT_DEFAULT_HASH=sha256 git init --quiet
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
dvc 3.67.1, gto 1.10.1
sha1: git names commits by 40 digits
sha1: dvc init: exit 0
sha1: gto show: exit 0
sha256: git names commits by 64 digits
sha256: dvc init: unexpected error unknown object format 'sha256'
sha256: gto show: Unexpected error
variable: git names commits by 64 digits
variable: dvc init: unexpected error unknown object format 'sha256'
variable: gto show: Unexpected error
SEEN
